// Opens a store and keeps it until it is told otherwise or killed.
import { open } from "../../ts/index.js";

const log = await open(process.argv[2]!);
console.log("open");
process.stdin.once("data", () => log.close().then(() => process.stdin.destroy()));
