// What scripts/clients does with node's own http2, undici and fetch. One play per run, by name; prints that it is done.
'use strict';

const assert = require('node:assert/strict');
const http2 = require('node:http2');
const { Agent, Client } = require('undici');

const [play, secure, clear] = process.argv.slice(2);
const UPSTREAMS = ['/h1', '/h2c'];
const MEGABYTE = 1 << 20;

/// One exchange of a session: status, body, trailers, interim statuses.
function ask(session, fields, body) {
  return new Promise((resolve, reject) => {
    const stream = session.request(fields);
    const answer = { pieces: [], interim: [], trailers: {} };
    stream.on('response', (head) => { answer.status = head[':status']; });
    stream.on('headers', (head) => answer.interim.push(head[':status']));
    stream.on('trailers', (trailers) => { answer.trailers = trailers; });
    stream.on('data', (piece) => answer.pieces.push(piece));
    stream.on('end', () => resolve({ ...answer, body: Buffer.concat(answer.pieces).toString() }));
    stream.on('error', reject);
    stream.end(body);
  });
}

async function withSessions(use) {
  for (const origin of [secure, clear]) {
    const session = http2.connect(origin);
    await use(session);
    await new Promise((resolve) => { session.close(resolve); });
  }
}

const plays = {
  streams: () => withSessions(async (session) => {
    const asks = Array.from({ length: 300 }, async (_, number) => {
      const body = `${number} `.repeat(500);
      const answer = await ask(session, { ':method': 'POST', ':path': `${UPSTREAMS[number % 2]}/echo` }, body);
      assert.deepEqual([answer.status, answer.body], [200, body]);
    });
    await Promise.all(asks);
  }),

  trailers: () => withSessions(async (session) => {
    for (const upstream of UPSTREAMS) {
      const trailed = await ask(session, { ':path': `${upstream}/trailers`, te: 'trailers' });
      assert.deepEqual([trailed.body, trailed.trailers['x-sum']], ['body', '42']);
      const hinted = await ask(session, { ':path': `${upstream}/hints` });
      assert.deepEqual([hinted.interim, hinted.body], [[103], 'hinted']);
    }
  }),

  stalled: () => withSessions(async (session) => {
    for (const upstream of UPSTREAMS) {
      const stalled = session.request({ ':path': `${upstream}/large` });
      await new Promise((resolve) => { stalled.on('response', resolve); });
      const others = await Promise.all(Array.from({ length: 20 }, () => ask(session, { ':path': `${upstream}/hello` })));
      assert.ok(others.every((answer) => answer.body === 'hello'));
      let count = 0;
      for await (const piece of stalled) count += piece.length;
      assert.equal(count, MEGABYTE);
    }
  }),

  undici: async () => {
    const agent = new Agent({ allowH2: true });
    for (const upstream of UPSTREAMS) {
      const asks = Array.from({ length: 100 }, async (_, number) => {
        const body = `${number} `.repeat(500);
        const path = `${upstream}/echo?undici-h2`;
        const answer = await agent.request({ origin: secure, path, method: 'POST', body });
        assert.deepEqual([answer.statusCode, await answer.body.text()], [200, body]);
      });
      await Promise.all(asks);
    }
    await agent.close();
  },

  pipelined: async () => {
    const client = new Client(secure, { pipelining: 10 });
    for (const upstream of UPSTREAMS) {
      const asks = Array.from({ length: 50 }, async () => {
        const answer = await client.request({ path: `${upstream}/hello`, method: 'GET' });
        assert.equal(await answer.body.text(), 'hello');
      });
      await Promise.all(asks);
    }
    await client.close();
  },

  fetch: async () => {
    for (const origin of [secure, clear]) {
      for (const upstream of UPSTREAMS) {
        const body = new Blob(['x'.repeat(MEGABYTE)]).stream();
        const answer = await fetch(`${origin}${upstream}/echo`, { method: 'POST', body, duplex: 'half' });
        assert.equal((await answer.text()).length, MEGABYTE);
        const given = new AbortController();
        const endless = await fetch(`${origin}${upstream}/forever`, { signal: given.signal });
        await endless.body.getReader().read();
        given.abort();
      }
    }
  },
};

plays[play]().then(() => console.log(`${play} done`));
