// A process with one transport, for tests that kill it: will_child.ts PORT
import { localBroker, makeConnector, TestCar } from "../support/mqtt_peers.ts";

const { connector } = await makeConnector(localBroker(Number(Deno.args[0])));
await new TestCar(connector).start();
await Deno.stdout.write(new TextEncoder().encode("up\n"));
