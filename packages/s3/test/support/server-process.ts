import S3rver from "@20minutes/s3rver";

// node server-process.ts <folder> <bucket>: an S3 server on a free port of this machine, which
// prints its address. It knows one pair of credentials: see server.ts.

const [directory, name] = process.argv.slice(2);
const server = new S3rver({ directory, address: "127.0.0.1", port: 0, silent: true, configureBuckets: [{ name }] });
const { port } = await server.run();
console.log(`http://127.0.0.1:${port}`);
