// @opinion-labs/opinion-clob-sdk, unchanged, over HTTP, WebSocket and the chain's JSON-RPC.
import { Client, OrderSide, OrderType } from '@opinion-labs/opinion-clob-sdk';
import { Scene, micros, plain, same, soon } from './scene.mjs';

const OPEN = 1;
const FINISHED = 2;
const CANCELLED = 3;

const scene = new Scene();
const [listing] = scene.listings;
const marketId = Number(listing);
const client = new Client({
  host: scene.rest,
  apiKey: scene.credentials.api_key,
  chainId: 56,
  rpcUrl: scene.rpc,
  privateKey: scene.credentials.private_key,
  multiSigAddress: scene.credentials.safe,
});
scene.told("its constructor's `host` and `rpcUrl`, and `wsUrl` of createWebSocketClient");

await scene.setBook(listing, [['0.410', '800'], ['0.400', '1500']], [['0.430', '650'], ['0.450', '1200']]);
const market = (await client.getMarket(marketId)).result.data;
same('market', market.marketId, marketId);
const book = (await client.getOrderbook(market.yesTokenId)).result;
const best = (levels, sign) => levels.map((level) => micros(level.price)).sort((a, b) => Number(a - b) * sign)[0];
same('best ask', best(book.asks, 1), micros('0.43'));
same('best bid', best(book.bids, -1), micros('0.41'));
scene.did('market data', 'getMarket, getOrderbook', `${book.bids.length} bids, ${book.asks.length} asks`);

const heard = { frames: [], depths: [], updates: [], records: [] };
const note = (name) => (message) => heard[name].push(message);
const socket = client.createWebSocketClient({ wsUrl: scene.ws, heartbeatInterval: 1, onMessage: note('frames') });
await socket.connect();
socket.subscribeMarketDepthDiff(marketId, note('depths'));
socket.subscribeTradeOrderUpdate({ marketId }, note('updates'));
socket.subscribeTradeRecordNew({ marketId }, note('records'));
await soon('acknowledgements', () => heard.frames.length >= 3);

const read = async (id) => (await client.getOrderById(id)).result.orderData;

async function place(wish) {
  const reply = await client.placeOrder({ marketId, tokenId: market.yesTokenId, price: '0', ...wish });
  same('errno', reply.errno, 0);
  return reply.result.orderData.orderId;
}

async function takes(wish) {
  const id = await place({ orderType: OrderType.MARKET_ORDER, ...wish });
  const order = await soon('a finished order', async () => {
    const found = await read(id);
    return found.status === FINISHED && found;
  });
  const truth = await scene.order({ order_id: id });
  same('shares', micros(order.filledShares), truth.filled);
  same('shares of the trades', order.trades.reduce((sum, trade) => sum + micros(trade.shares), 0n), truth.filled);
  same('fee', order.trades.reduce((sum, trade) => sum + micros(trade.feeFormatted), 0n), truth.fees);
  return `${order.filledShares} shares for ${plain(truth.value)}, fee ${plain(truth.fees)}, in ${order.trades.length}`;
}

scene.did('buy', 'placeOrder, getOrderById', await takes({ side: OrderSide.BUY, makerAmountInQuoteToken: '25' }));
scene.did('sell', 'placeOrder, getOrderById', await takes({ side: OrderSide.SELL, makerAmountInBaseToken: '20.5' }));

const rest = await place({ side: OrderSide.BUY, orderType: OrderType.LIMIT_ORDER, price: '0.3', makerAmountInBaseToken: '30' });
same('what became of it', 'resting', (await scene.order({ order_id: rest })).status);
scene.did('rest', 'placeOrder', 'rests');
same('status', (await read(rest)).status, OPEN);
scene.did('read', 'getOrderById', `status ${OPEN}`);
const listed = (await client.getMyOrders({ status: '1' })).result.list.map((order) => order.orderId);
same('open orders', listed, [rest]);
scene.did('list', 'getMyOrders', `${listed.length} order`);
await client.cancelOrder(rest);
same('what became of it', 'cancelled', (await scene.order({ order_id: rest })).status);
same('status', (await read(rest)).status, CANCELLED);
scene.did('cancel', 'cancelOrder', `status ${CANCELLED}`);

const cash = (await client.getMyBalances()).result.balances[0].availableBalance;
same('cash', micros(cash), await scene.cash());
scene.did('balances', 'getMyBalances', cash);
const positions = (await client.getMyPositions({})).result.list;
same('positions', positions.map((row) => row.marketId), [marketId]);
same('position', micros(positions[0].sharesOwned), await scene.shares(listing));
scene.did('positions', 'getMyPositions', positions[0].sharesOwned);

const traded = (await scene.ledger()).fills.reduce((sum, fill) => sum + micros(fill.size), 0n);
const told = () => heard.records.reduce((sum, row) => sum + micros(row.shares), 0n);
await soon('all trades', () => told() >= traded);
same('shares heard of', told(), traded);
await soon('changes and updates', () => heard.depths.length && heard.updates.length);
scene.did('market stream', 'subscribeMarketDepthDiff', `${heard.depths.length} changes`);
scene.did('account stream', 'subscribeTradeOrderUpdate, subscribeTradeRecordNew', `${heard.updates.length} updates, ${heard.records.length} trades`);
socket.close();
process.exit(0); // the client keeps a timer
