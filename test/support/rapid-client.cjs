const { request } = require('node:http');

/**
 * The part of the runtime interface client of AWS that is in C++: asking for the next event, and telling the outcome of
 * one that was not streamed. Its streams are its own. Stands in for that part, which takes minutes to compile.
 */

let told = Promise.resolve();

function ask(method, path, body) {
  const url = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/${path}`;
  return new Promise((resolve, reject) => {
    const asking = request(url, { method, headers: { 'Content-Type': 'application/json' } }, (response) => {
      let bodyJson = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        bodyJson += chunk;
      });
      response.on('end', () => resolve({ bodyJson, headers: response.headers }));
    });
    asking.on('error', reject).end(body);
  });
}

module.exports = {
  next: () => told.then(() => ask('GET', 'next')),
  done(id, body) {
    told = ask('POST', `${id}/response`, body);
  },
  error(id, body) {
    told = ask('POST', `${id}/error`, body);
  },
};
