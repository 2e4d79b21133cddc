declare module "@20minutes/s3rver" {
  /** The part that the tests use. */
  export default class S3rver {
    constructor(options: {
      directory: string | undefined;
      address: string;
      port: number;
      silent: boolean;
      configureBuckets: { name: string | undefined }[];
    });
    run(): Promise<{ port: number }>;
  }
}
