/** A message on the stream of `subscriptions/listen`. */
export interface StreamMessage {
  id?: unknown;
  method?: string;
  params?: Record<string, unknown>;
  result?: unknown;
}

/** The messages of an event stream, in order of arrival. */
export async function* messagesOf(response: Response): AsyncGenerator<StreamMessage, void, void> {
  if (!response.body) throw new Error(`No stream but ${response.status}`);
  let rest = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const frames = (rest + chunk).split("\n\n");
    rest = frames.pop() ?? "";
    for (const frame of frames) {
      const data = /^data: (.*)$/m.exec(frame)?.[1];
      if (data !== undefined) yield JSON.parse(data) as StreamMessage;
    }
  }
}

/** The next message that passes the test. */
export async function next(
  messages: AsyncGenerator<StreamMessage, void, void>,
  matches: (message: StreamMessage) => boolean,
): Promise<StreamMessage> {
  while (true) {
    const { done, value } = await messages.next();
    if (done) throw new Error("The stream has ended");
    if (matches(value)) return value;
  }
}
