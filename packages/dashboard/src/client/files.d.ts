/** A file of the pages, as the build of `client/` made it. */
export interface PageFile {
  readonly type: string;
  readonly text: string;
}

/** The files, by their paths below the dashboard's base. `vite build` writes them to `dist`. */
export declare const files: Readonly<Record<string, PageFile>>;
