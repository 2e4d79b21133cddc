import { startWorker, type TaskContext, type TaskWorker } from "@mcp-task-store/core";
import { TasksExtension } from "@mcp-task-store/server";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from "@nestjs/common";
import { type Order, Renderer } from "./renderer";

/** The store, what serves its tasks to clients, and the worker that runs them. */
@Injectable()
export class Tasks implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly store = new SqliteTaskStore({ path: process.env["TASKS_DB"] ?? "tasks.db" });
  readonly extension = new TasksExtension({ store: this.store });
  private worker?: TaskWorker;

  constructor(private readonly renderer: Renderer) {}

  onApplicationBootstrap() {
    const render = (task: TaskContext<number, Order>) => this.renderer.render(task);
    this.worker = startWorker(this.store, { render }, { concurrency: 4 });
  }

  /** Gives the tasks back that run here, so that another process goes on with them. */
  async onApplicationShutdown() {
    await this.worker?.stop();
    await this.extension.close();
    await this.store.close();
  }
}
