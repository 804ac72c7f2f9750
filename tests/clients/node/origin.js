// The origin of scripts/clients: one program under node's http and, without TLS, under node's http2. It prints its two
// ports and then a line for each request that it has read whole or lost.
'use strict';

const http = require('node:http');
const http2 = require('node:http2');
const fs = require('node:fs');
const path = require('node:path');

const PAGE = fs.readFileSync(path.join(__dirname, '../page.html'));
const EVENTS = 3;

/// Images that are answered once the page has reported what it saw.
let held = [];
let report = null;

const answers = {
  '/hello': (request, response) => response.end('hello'),
  '/fields': (request, response) => json(response, request.headers),
  '/echo': (request, response, body) => {
    response.setHeader('x-method', request.method);
    response.setHeader('content-type', 'application/octet-stream');
    response.end(body);
  },
  '/trailers': (request, response) => {
    response.setHeader('trailer', 'x-sum');
    response.write('body');
    response.addTrailers({ 'x-sum': '42' });
    response.end();
  },
  '/hints': (request, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' });
    response.end('hinted');
  },
  '/large': (request, response) => response.end(Buffer.alloc(1 << 20, 'r')),
  '/forever': (request, response) => response.write('begun'),
  '/events': events,
  '/page': (request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(PAGE);
  },
  '/held': (request, response) => {
    held.push(response);
    release();
  },
  '/report': (request, response, body) => {
    report = body;
    response.end();
    release();
  },
};

function json(response, value) {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(value));
}

/// Each event follows when the one before it has gone out; the stream stays open.
function events(request, response) {
  response.setHeader('content-type', 'text/event-stream');
  for (let number = 1; number <= EVENTS; number += 1) {
    response.write(`id: ${number}\ndata: event ${number}\n\n`);
  }
}

function release() {
  if (report !== null) {
    held.splice(0).forEach((response) => response.end());
  }
}

function serve(request, response) {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    console.log(`read ${request.method} ${request.url}`);
    const answer = answers[request.url.split('?')[0]];
    if (answer) {
      answer(request, response, Buffer.concat(pieces));
    } else {
      response.statusCode = 404;
      response.end();
    }
  });
  response.on('close', () => {
    if (!response.writableFinished) {
      console.log(`lost ${request.method} ${request.url}`);
    }
  });
}

const first = http.createServer(serve).listen(0, '127.0.0.1', () => {
  const second = http2.createServer(serve).listen(0, '127.0.0.1', () => {
    console.log(`ports ${first.address().port} ${second.address().port}`);
  });
});
// It ends with whoever started it.
process.stdin.resume().on('end', () => process.exit(0));
