import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Series {
  readonly label: string;
  /** The custom property of the colour, without the dashes. */
  readonly color: string;
  readonly values: readonly (number | null)[];
}

interface Props {
  readonly title: string;
  /** What the chart shows, in words. */
  readonly summary: string;
  /** ISO times, one for each value. */
  readonly times: readonly string[];
  readonly series: readonly Series[];
  readonly stacked?: boolean;
  format(value: number): string;
}

const HEIGHT = 150;

/** A chart of the last hour. The words beneath it say what it shows to those who cannot see it. */
export function Chart({ title, summary, times, series, stacked = false, format }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  /** The minute that the pointer is at. */
  const [at, setAt] = useState<number | null>(null);
  const data = dataOf(times, series, stacked);
  const latest = useRef({ data, format });
  latest.current = { data, format };
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const make = () => {
      chart.current?.destroy();
      const size = { width: Math.max(200, element.clientWidth), height: HEIGHT };
      const options = optionsOf(element, series, stacked, (value) => latest.current.format(value));
      const hooks = { setCursor: [({ cursor }: uPlot) => setAt(cursor.idx ?? null)] };
      chart.current = new uPlot({ ...options, ...size, hooks }, latest.current.data, element);
    };
    make();
    const sizes = new ResizeObserver(() =>
      chart.current?.setSize({ width: Math.max(200, element.clientWidth), height: HEIGHT }),
    );
    sizes.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", make);
    return () => {
      sizes.disconnect();
      scheme.removeEventListener("change", make);
      chart.current?.destroy();
      chart.current = null;
    };
  }, [stacked]);
  useEffect(() => chart.current?.setData(data));
  const time = at === null ? undefined : times[at];
  const values = series.flatMap(({ label, values: all }) => {
    const value = at === null ? null : (all[at] ?? null);
    return value === null ? [] : `${label.toLowerCase()} ${format(value)}`;
  });
  const readout = time && `${clockOf(Date.parse(time) / 1000)}: ${values.length > 0 ? values.join(", ") : "nothing"}`;
  return (
    <figure class="card chart">
      <figcaption>
        <h2>{title}</h2>
        <ul class="legend">
          {series.map(({ label, color }) => (
            <li key={label} class={color}>
              {label}
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={summary} />
      <p class="muted">{readout ?? summary}</p>
    </figure>
  );
}

function dataOf(times: readonly string[], series: readonly Series[], stacked: boolean): uPlot.AlignedData {
  const x = times.map((time) => Date.parse(time) / 1000);
  if (!stacked) return [x, ...series.map(({ values }) => [...values])];
  // The first series is drawn last, so that each is seen above those below it.
  const sums = series.map((_, index) =>
    times.map((__, at) => series.slice(0, index + 1).reduce((sum, { values }) => sum + (values[at] ?? 0), 0)),
  );
  return [x, ...sums.toReversed()];
}

function optionsOf(
  element: Element,
  series: readonly Series[],
  stacked: boolean,
  format: (value: number) => string,
): Omit<uPlot.Options, "width" | "height"> {
  const style = getComputedStyle(element);
  const color = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const bars = uPlot.paths.bars?.({ size: [0.7, 14] });
  const line = { stroke: color("muted"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false } };
  const axis = { ...line, font: `11px ${style.fontFamily}` };
  return {
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: !stacked } },
    padding: [8, 16, 0, 0],
    axes: [
      { ...axis, grid: { show: false }, size: 26, space: 70, values: (_, ticks) => ticks.map((tick) => clockOf(tick)) },
      { ...axis, size: 56, space: 32, values: (_, ticks) => ticks.map((tick) => format(tick)) },
    ],
    scales: { y: { range: (_, __, max) => [0, Math.max(stacked ? 1 : 10, (max ?? 0) * 1.1)] } },
    series: [
      {},
      ...(stacked ? series.toReversed() : series).map(({ label, color: name }) => ({
        label,
        stroke: color(name),
        width: stacked ? 0 : 1.5,
        // A value alone makes no line.
        points: {
          show: ({ data }: uPlot, index: number) => !stacked && isAlone(data[index]),
          size: 6,
          fill: color(name),
        },
        spanGaps: true,
        ...(stacked && bars ? { fill: color(name), paths: bars } : {}),
      })),
    ],
  };
}

function isAlone(values: ArrayLike<unknown> = []): boolean {
  return Array.from(values).filter((value) => value != null).length === 1;
}

function clockOf(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}
