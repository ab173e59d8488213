// What an npm client's script knows of its simulator. The same as scene.py, which says more; copied beside the script.
import fs from 'node:fs';
import net from 'node:net';

const SOON_MS = 20_000;
const LOOK_MS = 250;

const say = (line) => fs.writeSync(1, `@conformance ${JSON.stringify(line)}\n`);

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Decimal text as a whole number of millionths. Throws if there is more behind the point than zeros. */
export function micros(text) {
  const found = /^(-?)(\d+)(?:\.(\d*))?$/.exec(String(text));
  const digits = (found?.[3] ?? '').replace(/0+$/, '');
  if (!found || digits.length > 6) throw new Error(`not a decimal with at most six digits: ${text}`);
  const size = BigInt(found[2]) * 1_000_000n + BigInt(digits.padEnd(6, '0'));
  return found[1] ? -size : size;
}

/** Millionths as decimal text. */
export function plain(value) {
  const digits = (value < 0n ? -value : value).toString().padStart(7, '0');
  const text = `${digits.slice(0, -6)}.${digits.slice(-6)}`.replace(/\.?0+$/, '');
  return value < 0n ? `-${text}` : text;
}

/** What the client said is what is true. */
export function same(what, said, truth) {
  const show = (value) => (typeof value === 'bigint' ? `${value}` : JSON.stringify(value));
  if (show(said) !== show(truth)) throw new Error(`${what}: the client says ${show(said)}, in truth it is ${show(truth)}`);
}

/** The first thing true that `look` returns. */
export async function soon(what, look) {
  for (const until = Date.now() + SOON_MS; Date.now() < until; await sleep(LOOK_MS)) {
    const found = await look();
    if (found) return found;
  }
  throw new Error(`${what}: not within ${SOON_MS} ms`);
}

export class Scene {
  constructor() {
    const facts = JSON.parse(fs.readFileSync(0, 'utf8'));
    Object.assign(this, { rest: facts.rest, ws: facts.ws, rpc: facts.rpc, hosts: facts.hosts, credentials: facts.credentials });
    this.listings = facts.listings.map((listing) => listing.native);
    this.control = facts.control;
    stayHere();
  }

  told(seam) { say({ told: seam }); }
  did(duty, call, saw) { say({ duty, call, saw: String(saw) }); }
  lacks(duty, why) { say({ duty, lacks: why }); }

  async setBook(listing, bids, asks) { await this.#call('PUT', `books/${listing}`, { bids, asks }); }

  /** The one order of the ledger with these values; its numbers in millionths. */
  async order(where) {
    const rows = (await this.ledger()).orders.filter((row) => Object.entries(where).every(([key, value]) => row[key] === value));
    if (rows.length !== 1) throw new Error(`${rows.length} orders in the ledger with ${JSON.stringify(where)}, not one`);
    const numbers = ['price', 'size', 'filled', 'value', 'fees'].map((key) => [key, micros(rows[0][key])]);
    return { ...rows[0], ...Object.fromEntries(numbers) };
  }

  async kept(orderId) {
    const fills = (await this.ledger()).fills.filter((fill) => fill.order_id === orderId);
    return fills.reduce((sum, fill) => sum + micros(fill.fee_shares), 0n);
  }

  async cash() { return micros((await this.ledger()).accounts[0].balance); }
  async shares(listing) { return micros((await this.ledger()).accounts[0].positions[listing] ?? '0'); }
  async ledger() { return this.#call('GET', 'ledger'); }

  async #call(method, path, body) {
    const reply = await fetch(`${this.control}/${path}`, { method, body: body && JSON.stringify(body) });
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
    return reply.json();
  }
}

/** Real money lives elsewhere: every connection of Node begins here, whatever library opens it. */
function stayHere() {
  const connect = net.Socket.prototype.connect;
  net.Socket.prototype.connect = function guarded(...given) {
    const wish = Array.isArray(given[0]) ? given[0][0] : given[0];
    const host = typeof wish === 'object' ? wish.host ?? 'localhost' : typeof given[1] === 'string' ? given[1] : 'localhost';
    if (!['localhost', '::1'].includes(host) && !/^127\./.test(host)) {
      say({ reached: host });
      throw new Error(`a conformance script stays on this machine: ${host}`);
    }
    return connect.apply(this, given);
  };
}
