// Runs node:http: `origin.js <parser> <port> <log>`, with node's own parser (`native`) or one in JavaScript (`js`).
// Every request is answered with its id, and what was seen of it is appended to the log. Not here: any judgement.
"use strict";

const [parser, port, log] = process.argv.slice(2);
if (parser === "js") {
  // Before node:http takes the other one.
  process.binding("http_parser").HTTPParser = require("http-parser-js").HTTPParser;
}

const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");

const out = fs.openSync(log, "a");
const hex = (text) => Buffer.from(text, "latin1").toString("hex");
const plain = (text) => String(text ?? "").replace(/[^0-9A-Za-z-]/g, "");

/** What parsers make of the path: name, form, path in hex. */
function views(target) {
  const found = [["req.url", "raw", hex(target.split("?")[0])]];
  if (target.startsWith("/")) {
    // Behind an authority, or `//` would begin one.
    found.push(["WHATWG URL", "raw", hex(new URL("http://origin" + target).pathname)]);
    found.push(...routed(target));
  }
  return found;
}

/** The router of fastify, where it is installed. */
const router = (() => {
  try {
    const made = require("find-my-way")({ ignoreTrailingSlash: false, maxParamLength: 65536 });
    made.on("GET", "/*", () => {});
    return made;
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
    return null;
  }
})();

function routed(target) {
  const found = router?.find("GET", target);
  if (!found) return router ? [["find-my-way", "decoded", ""]] : [];
  return [["find-my-way", "decoded", Buffer.from("/" + found.params["*"]).toString("hex")]];
}

const server = http.createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  // A body that is cut never ends: the request is not reported.
  request.on("end", () => {
    if (!request.complete) return;
    const body = Buffer.concat(pieces);
    const id = plain(request.headers["x-request-id"]);
    const line = {
      id,
      case: plain(request.headers["x-case"]),
      method: hex(request.method),
      target: hex(request.url),
      views: views(request.url),
      length: body.length,
      sha1: crypto.createHash("sha1").update(body).digest("hex"),
    };
    fs.writeSync(out, JSON.stringify(line) + "\n");
    response.end(id);
  });
  request.on("error", () => {});
});
server.keepAliveTimeout = 60_000;
server.maxHeadersCount = 0;
server.listen({ port: Number(port), host: "127.0.0.1", backlog: 128 });
