// polymarket-us for Node, unchanged, over HTTP and both WebSockets.
import { PolymarketUS } from 'polymarket-us';
import { Scene, micros, same, soon } from './scene.mjs';

const scene = new Scene();
const [slug] = scene.listings;
const client = new PolymarketUS({
  keyId: scene.credentials.key_id,
  secretKey: scene.credentials.secret_key,
  gatewayBaseUrl: scene.hosts.gateway,
  apiBaseUrl: scene.rest,
});
scene.told("its constructor's `apiBaseUrl` and `gatewayBaseUrl`; the sockets follow");

await scene.setBook(slug, [['0.30', '50']], [['0.33', '20'], ['0.34', '20']]);
const book = (await client.markets.book(slug)).marketData;
same('best bid', micros(book.bids[0].px.value), micros('0.30'));
same('best offer', micros(book.offers[0].px.value), micros('0.33'));
scene.did('market data', 'markets.book', `${book.bids.length} bid, ${book.offers.length} offers`);

const heard = { marketData: [], orderUpdate: [], error: [] };
const market = await client.ws.markets();
const account = await client.ws.private();
for (const socket of [market, account]) {
  for (const [event, messages] of Object.entries(heard)) socket.on(event, (message) => messages.push(message));
  await socket.connect();
}
market.subscribeMarketData('books', [slug]);
account.subscribeOrders('orders');

const wish = { marketSlug: slug, type: 'ORDER_TYPE_LIMIT', manualOrderIndicator: 'MANUAL_ORDER_INDICATOR_AUTOMATIC' };
const usd = (value) => ({ value, currency: 'USD' });
const sum = (values) => values.reduce((total, value) => total + micros(value), 0n);
const sharesOf = (executions) => sum(executions.map((row) => row.lastShares || '0'));

async function takes(intent, price, quantity) {
  const reply = await client.orders.create({
    ...wish, intent, price: usd(price), quantity, tif: 'TIME_IN_FORCE_IMMEDIATE_OR_CANCEL', synchronousExecution: true, maxBlockTime: '5',
  });
  const truth = await scene.order({ order_id: reply.id });
  same('shares', sharesOf(reply.executions), truth.filled);
  same('fees', sum(reply.executions.map((row) => row.commissionNotionalCollected?.value ?? '0')), truth.fees);
  const { order } = await client.orders.retrieve(reply.id);
  same('cumulative', micros(order.cumQuantity), truth.filled);
  return `${order.cumQuantity} shares at ${order.avgPx.value}, fee ${order.commissionNotionalTotalCollected.value}`;
}

scene.did('buy', 'orders.create, orders.retrieve', await takes('ORDER_INTENT_BUY_LONG', '0.34', 30));
scene.did('sell', 'orders.create, orders.retrieve', await takes('ORDER_INTENT_SELL_LONG', '0.30', 12.5));

const rest = await client.orders.create({
  ...wish, intent: 'ORDER_INTENT_BUY_LONG', price: usd('0.20'), quantity: 20, tif: 'TIME_IN_FORCE_GOOD_TILL_CANCEL',
});
same('what became of it', 'resting', (await scene.order({ order_id: rest.id })).status);
scene.did('rest', 'orders.create', 'rests');
const { state } = (await client.orders.retrieve(rest.id)).order;
same('state', state, 'ORDER_STATE_NEW');
scene.did('read', 'orders.retrieve', state);
const listed = (await client.orders.list({ slugs: [slug] })).orders;
same('open orders', listed.map((order) => order.id), [rest.id]);
scene.did('list', 'orders.list', `${listed.length} order`);
await client.orders.cancel(rest.id, { marketSlug: slug });
same('what became of it', 'cancelled', (await scene.order({ order_id: rest.id })).status);
const after = (await client.orders.retrieve(rest.id)).order.state;
same('state', after, 'ORDER_STATE_CANCELED');
scene.did('cancel', 'orders.cancel', after);

const [balance] = (await client.account.balances()).balances;
same('cash', micros(balance.currentBalance), await scene.cash());
scene.did('balances', 'account.balances', balance.currentBalance);
const position = (await client.portfolio.positions()).positions[slug];
same('position', micros(position.netPositionDecimal), await scene.shares(slug));
scene.did('positions', 'portfolio.positions', position.netPositionDecimal);

const executions = () => heard.orderUpdate.map((row) => row.orderSubscriptionUpdate.execution);
await soon('the last update', () => executions().at(-1)?.type === 'EXECUTION_TYPE_CANCELED');
await soon('the last book', () => heard.marketData.at(-1)?.marketData.offers[0].px.value === '0.34');
same('errors of the sockets', heard.error, []);
same('shares heard of', sharesOf(executions()), sum((await scene.ledger()).fills.map((fill) => fill.size)));
scene.did('market stream', 'ws.markets().subscribeMarketData', `${heard.marketData.length} books`);
scene.did('account stream', 'ws.private().subscribeOrders', `${executions().length} executions`);
market.close();
account.close();
