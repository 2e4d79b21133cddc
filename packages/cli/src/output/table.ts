import { clean, fitted, padded, widthOf } from "./text.ts";

export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string;
  readonly side?: "left" | "right";
  /** The column may be cut to this width if the terminal is narrow. */
  readonly least?: number;
  /** Columns with a smaller number are left out first. @default never left out */
  readonly keep?: number;
  /** Colours a padded cell. */
  readonly paint?: (cell: string, row: Row) => string;
}

const GAP = "  ";

/** The lines of a table no wider than `width`, the titles first. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): string[] {
  let shown = columns.map((column) => {
    const cells = rows.map((row) => clean(column.of(row)));
    const natural = Math.max(widthOf(column.title), ...cells.map(widthOf));
    return { ...column, cells, width: natural };
  });
  const total = () => shown.reduce((sum, each) => sum + each.width, GAP.length * (shown.length - 1));
  const smallest = () =>
    shown.reduce((sum, each) => sum + Math.min(each.width, each.least ?? each.width), GAP.length * (shown.length - 1));
  while (smallest() > width && shown.some(({ keep }) => keep !== undefined)) {
    const first = Math.min(...shown.map(({ keep }) => keep ?? Number.POSITIVE_INFINITY));
    shown = shown.filter(({ keep }) => keep !== first);
  }
  // The widest columns give first.
  for (let over = total() - width; over > 0; over -= 1) {
    const widest = shown
      .filter((each) => each.width > (each.least ?? each.width))
      .toSorted((one, other) => other.width - one.width)[0];
    if (!widest) break;
    widest.width -= 1;
  }
  const line = (cells: readonly string[]) => cells.join(GAP).trimEnd();
  const titles = shown.map(({ title, width: columns, side }) => padded(fitted(title, columns), columns, side));
  return [
    line(titles),
    ...rows.map((row, index) =>
      line(
        shown.map(({ cells, width: columns, side, paint }) => {
          const cell = padded(fitted(cells[index] as string, columns), columns, side);
          return paint ? paint(cell, row) : cell;
        }),
      ),
    ),
  ];
}
