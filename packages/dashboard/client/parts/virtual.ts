import {
  observeWindowOffset,
  observeWindowRect,
  type VirtualItem,
  Virtualizer,
  windowScroll,
} from "@tanstack/virtual-core";
import type { RefObject } from "preact";
import { useLayoutEffect, useReducer, useState } from "preact/hooks";

export interface Rows {
  readonly items: readonly VirtualItem[];
  readonly height: number;
  /** Where the list begins in the page. */
  readonly top: number;
  scrollTo(index: number): void;
}

/** The rows of a long list that the window shows, and a few around them. */
export function useRows(list: RefObject<HTMLElement>, count: number, rowHeight: number): Rows {
  const [, draw] = useReducer((drawn: number, _: undefined) => drawn + 1, 0);
  const [top, setTop] = useState(0);
  const options = {
    count,
    estimateSize: () => rowHeight,
    overscan: 12,
    scrollMargin: top,
    // The head of the table and the page stay above the rows.
    scrollPaddingStart: 120,
    scrollPaddingEnd: 24,
    getScrollElement: () => window,
    observeElementRect: observeWindowRect,
    observeElementOffset: observeWindowOffset,
    scrollToFn: windowScroll,
    initialOffset: () => window.scrollY,
    onChange: () => draw(undefined),
  };
  const [rows] = useState(() => new Virtualizer<Window, Element>(options));
  rows.setOptions(options);
  useLayoutEffect(() => rows._didMount(), [rows]);
  useLayoutEffect(() => {
    rows._willUpdate();
    const now = list.current ? list.current.getBoundingClientRect().top + window.scrollY : 0;
    if (Math.abs(now - top) > 1) setTop(now);
  });
  useLayoutEffect(() => rows.measure(), [rows, rowHeight]);
  return {
    items: rows.getVirtualItems(),
    height: rows.getTotalSize(),
    top,
    scrollTo: (index) => rows.scrollToIndex(index, { align: "auto" }),
  };
}
