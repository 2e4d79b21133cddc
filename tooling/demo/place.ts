/** The tasks of a run, shared by all its servers. */
export interface Place {
  /** Path or URL. */
  address: string;
  /** The run's own schema or prefix at a shared address. */
  name: string;
  /** The origin of the database server. */
  origin?: string;
}
