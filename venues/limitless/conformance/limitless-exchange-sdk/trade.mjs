// @limitless-exchange/sdk, unchanged, over HTTP and Socket.IO.
import { Client, OrderType, Side, WebSocketClient } from '@limitless-exchange/sdk';
import { Scene, micros, plain, same, soon } from './scene.mjs';

const scene = new Scene();
const [slug] = scene.listings;
const hmacCredentials = { tokenId: scene.credentials.token_id, secret: scene.credentials.token_secret };
const client = new Client({ baseURL: scene.rest, hmacCredentials });
const socket = new WebSocketClient({ url: scene.hosts.socket, hmacCredentials, autoReconnect: false });
scene.told("the constructors' `baseURL` and `url`");

await scene.setBook(slug, [['0.410', '100'], ['0.400', '255']], [['0.440', '12'], ['0.450', '70']]);
const market = await client.markets.getMarket(slug);
const book = await client.markets.getOrderBook(slug);
same('best ask', micros(book.asks[0].price), micros('0.44'));
same('best bid', micros(book.bids[0].price), micros('0.41'));
scene.did('market data', 'markets.getOrderBook', `${book.bids.length} bids, ${book.asks.length} asks`);

const heard = { orderbookUpdate: [], orderEvent: [], exception: [] };
for (const [event, messages] of Object.entries(heard)) socket.on(event, (message) => messages.push(message));
await socket.connect();
await socket.subscribe('subscribe_market_prices', { marketSlugs: [slug] });
await socket.subscribe('subscribe_order_events');

const orders = client.newOrderClient(scene.credentials.private_key);
const wish = { tokenId: market.tokens.yes, marketSlug: slug };
const positions = async () => (await client.portfolio.getCLOBPositions()).map((row) => BigInt(row.tokensBalance.yes));

async function takes(side, price, size) {
  const { order, execution } = await orders.createOrder({ ...wish, side, orderType: OrderType.FAK, price, size });
  same('settlement', execution.settlementStatus, 'MATCHED');
  const truth = await scene.order({ order_id: order.id });
  const totals = execution.totalsRaw;
  same('shares', BigInt(totals.contractsGross), truth.filled);
  same('shares kept as fee', BigInt(totals.contractsFee), await scene.kept(order.id));
  same('cash', BigInt(totals.usdGross), truth.value);
  same('fee in cash', BigInt(totals.usdFee), truth.fees);
  const fee = `${plain(await scene.kept(order.id))} shares and ${plain(truth.fees)} USDC`;
  return `${plain(truth.filled)} shares for ${plain(truth.value)}, fee ${fee}`;
}

scene.did('buy', 'OrderClient.createOrder(FAK)', await takes(Side.BUY, 0.45, 20));
await soon('the bought shares', async () => (await positions()).length);
scene.did('sell', 'OrderClient.createOrder(FAK)', await takes(Side.SELL, 0.4, 7.777));

const rest = (await orders.createOrder({ ...wish, side: Side.BUY, orderType: OrderType.GTC, price: 0.2, size: 20 })).order;
same('what became of it', 'resting', (await scene.order({ order_id: rest.id })).status);
scene.did('rest', 'OrderClient.createOrder(GTC)', 'rests');
scene.lacks('read', 'orders are read as the list of a market only');
const listed = (await market.getUserOrders()).filter((order) => order.status === 'LIVE');
same('open orders', listed.map((order) => order.id), [rest.id]);
scene.did('list', 'Market.getUserOrders', `${listed.length} order`);
const said = await orders.cancel(rest.id);
same('what became of it', 'cancelled', (await scene.order({ order_id: rest.id })).status);
scene.did('cancel', 'OrderClient.cancel', said.message);

scene.lacks('balances', 'money is in the wallet: the client has no call for it');
const shares = await scene.shares(slug);
await soon('positions', async () => (await positions())[0] === shares);
scene.did('positions', 'portfolio.getCLOBPositions', plain(shares));

const traded = (await scene.ledger()).fills.reduce((sum, fill) => sum + micros(fill.size), 0n);
function mined() {
  const ended = heard.orderEvent.filter((event) => ['MINED', 'CONFIRMED'].includes(event.type));
  const sizes = new Map(ended.map((event) => [event.tradeEventId, BigInt(event.amountContracts)]));
  return [...sizes.values()].reduce((sum, size) => sum + size, 0n);
}
await soon('the settlements', () => mined() === traded);
await soon('the cancellation', () => heard.orderEvent.some((event) => event.type === 'CANCELLATION'));
await soon('a book', () => heard.orderbookUpdate.length);
same('errors of the socket', heard.exception, []);
scene.did('market stream', 'subscribe_market_prices', `${heard.orderbookUpdate.length} books`);
scene.did('account stream', 'subscribe_order_events', `${heard.orderEvent.length} events, ${plain(mined())} shares mined`);
await socket.disconnect();
