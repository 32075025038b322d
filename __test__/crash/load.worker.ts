// A thread that opens the store of its process by itself, and writes to it until it is terminated.
import { parentPort, workerData } from "node:worker_threads";
import { open } from "../../ts/index.js";
import { Dice } from "./dice.js";
import { writeOnAndOn } from "./load.js";
import { type Order, tell } from "./order.js";
import { Witness } from "./witness.js";

const { folder, seed, firstStream } = workerData as Order;
const log = await open(folder);
parentPort!.postMessage("open");
await writeOnAndOn(new Witness(log, tell, firstStream), new Dice(seed + 1), { steady: true });
