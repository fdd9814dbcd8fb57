// Servers that a test may stop and kill as it likes: a redis-server with the module, kurado-web and
// kurado-poller over a site of two hosts, in a directory that goes with them.
//
//   KURADO_BUILT        the directory of the built programs; target/debug where it is not set
//   KURADO_TEST_SERVER  another server than redis-server
//   KURADO_TEST_CLI     its client
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const built = process.env.KURADO_BUILT ?? resolve(import.meta.dirname ?? ".", "../../target/debug");
const redisServer = process.env.KURADO_TEST_SERVER ?? "redis-server";
const redisCli = process.env.KURADO_TEST_CLI ?? "redis-cli";

// A host that gets what a test pushes, and one that the poller watches.
export const HOST = "127.0.0.7";
export const WATCHED = "127.0.0.1";

// Waits until `probe` gives something. The limit only ends a test that would hang.
export async function eventually(what, probe) {
  const end = Date.now() + 60_000;
  for (;;) {
    const found = await probe();
    if (found) return found;
    assert.ok(Date.now() < end, `${what} did not happen within 60 s`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return port;
}

// One program, started as often as a test likes, the same each time.
class Server {
  #program;
  #options;
  #log;
  #isReady;
  #process = null;

  constructor(program, options, log, isReady) {
    this.#program = program;
    this.#options = options;
    this.#log = log;
    this.#isReady = isReady;
  }

  async start() {
    const log = openSync(this.#log, "a");
    this.#process = spawn(this.#program, this.#options, { stdio: ["ignore", log, log] });
    const started = this.#process;
    await eventually(`${this.#program} is ready`, () => {
      assert.equal(started.exitCode, null, `${this.#program} ended:\n${readFileSync(this.#log)}`);
      return this.#isReady();
    });
  }

  // Ends it, and waits for its end.
  async stop(signal = "SIGTERM") {
    const running = this.#process;
    this.#process = null;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, "exit");
    running.kill(signal);
    await ended;
  }

  get id() {
    return this.#process.pid;
  }

  // The processes that it started.
  get children() {
    const tasks = `/proc/${this.id}/task`;
    return readdirSync(tasks)
      .flatMap((task) => readFileSync(join(tasks, task, "children"), "utf8").split(" "))
      .filter((id) => id !== "")
      .map(Number);
  }
}

// Starts Redis and the web; the poller is started where a test wants it. `definitions` are those of
// plugins by name, as TOML, that HOST has besides base.
export async function startServers(definitions = {}) {
  const directory = mkdtempSync(join(tmpdir(), "kurado-browser-"));
  const [redisPort, webPort] = [await freePort(), await freePort()];
  mkdirSync(join(directory, "rolls"));
  mkdirSync(join(directory, "plugins"));
  for (const [name, definition] of Object.entries(definitions)) {
    writeFileSync(join(directory, "plugins", `${name}.toml`), definition);
  }
  writeFileSync(join(directory, "rolls/shop.yml"), `metrics: [${["base", ...Object.keys(definitions)]}]\n`);
  writeFileSync(join(directory, "rolls/here.yml"), `metrics: ["redis:${redisPort}", kurado]\n`);
  const configuration = join(directory, "kurado.yml");
  writeFileSync(
    configuration,
    `config:\n  redis: 127.0.0.1:${redisPort}\n  rolls_dir: rolls\n  metrics_plugin_dir: [plugins]\n---\nservice: Shop\nservers:\n` +
      `  - roll: shop.yml\n    hosts:\n      - ${HOST} shop-1\n` +
      `  - roll: here.yml\n    hosts:\n      - ${WATCHED} monitor\n`,
  );
  const cli = (words, input = "") =>
    execFileSync(redisCli, ["-p", redisPort, "--raw", ...words], { input, encoding: "utf8", stdio: "pipe" });
  const url = `http://127.0.0.1:${webPort}/`;
  const log = (name) => join(directory, `${name}.log`);
  const redis = new Server(
    redisServer,
    ["--port", redisPort, "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--appendonly", "yes"]
      .concat(["--loadmodule", join(built, "libkurado.so")])
      .map(String),
    log("redis"),
    () => {
      try {
        return cli(["PING"]) === "PONG\n";
      } catch {
        return false;
      }
    },
  );
  const web = new Server(
    join(built, "kurado-web"),
    ["-c", configuration, "--listen", `127.0.0.1:${webPort}`],
    log("web"),
    () => fetch(new URL("healthz", url)).then((answer) => answer.ok, () => false),
  );
  const poller = new Server(
    join(built, "kurado-poller"),
    ["-c", configuration],
    log("poller"),
    () => cli(["GET", "kurado-poller"]).includes(`"process":${poller.id},`),
  );
  await redis.start();
  await web.start();
  return {
    url,
    redis,
    web,
    poller,
    cli,
    // Lines as an agent sends them; all must be taken.
    push(lines) {
      const [accepted] = cli(["-x", "KURADO.PUSH"], lines.join("\n")).split("\n");
      assert.equal(Number(accepted), lines.length);
    },
    async stop() {
      for (const server of [poller, web, redis]) await server.stop("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
