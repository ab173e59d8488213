// kalshi-typescript, unchanged: the venue's own client for orders (its Python client has no call to place one).
import kalshi from 'kalshi-typescript';
import { Scene, micros, plain, same } from './scene.mjs';

const scene = new Scene();
const { key_id: apiKey, private_key: privateKeyPem } = scene.credentials;
const [ticker] = scene.listings;
const settings = new kalshi.Configuration({ apiKey, privateKeyPem, basePath: scene.rest });
scene.told("its `Configuration`'s `basePath`");
const orders = new kalshi.OrdersApi(settings);
const portfolio = new kalshi.PortfolioApi(settings);
const markets = new kalshi.MarketApi(settings);

await scene.setBook(ticker, [['0.41', '10'], ['0.40', '25.5']], [['0.44', '12'], ['0.45', '7']]);
const book = (await markets.getMarketOrderbook(ticker)).data.orderbook_fp;
same('best YES bid', micros(book.yes_dollars.at(-1)[0]), micros('0.41'));
same('best NO bid', micros(book.no_dollars.at(-1)[0]), micros('0.56'));
scene.did('market data', 'MarketApi.getMarketOrderbook', `${book.yes_dollars.length} bids, ${book.no_dollars.length} asks`);

const wish = { ticker, self_trade_prevention_type: 'taker_at_cross' };

async function takes(side, count, price) {
  const order = { ...wish, side, count, price, client_order_id: `conformance-${side}`, time_in_force: 'immediate_or_cancel' };
  const { data } = await orders.createOrderV2(order);
  const truth = await scene.order({ order_id: data.order_id });
  same('filled', micros(data.fill_count), truth.filled);
  same('asked', truth.size, micros(count));
  const { fills } = (await portfolio.getFills(undefined, data.order_id)).data;
  same('fees of the fills', fills.reduce((sum, fill) => sum + micros(fill.fee_cost), 0n), truth.fees);
  same('size of the fills', fills.reduce((sum, fill) => sum + micros(fill.count_fp), 0n), truth.filled);
  return `${data.fill_count} contracts at ${data.average_fill_price}, fee ${plain(truth.fees)}`;
}

scene.did('buy', 'OrdersApi.createOrderV2, PortfolioApi.getFills', await takes('bid', '15.00', '0.4500'));
scene.did('sell', 'OrdersApi.createOrderV2, PortfolioApi.getFills', await takes('ask', '5.00', '0.4100'));

const rest = (await orders.createOrderV2({
  ...wish, side: 'bid', count: '20.00', price: '0.3000', client_order_id: 'conformance-rest', time_in_force: 'good_till_canceled',
})).data;
same('what became of it', 'resting', (await scene.order({ order_id: rest.order_id })).status);
scene.did('rest', 'OrdersApi.createOrderV2', `${rest.remaining_count} contracts rest`);

const read = (await orders.getOrder(rest.order_id)).data.order;
same('status', read.status, 'resting');
same('our id', read.client_order_id, 'conformance-rest');
scene.did('read', 'OrdersApi.getOrder', read.status);

const listed = (await orders.getOrders(ticker, undefined, undefined, undefined, 'resting')).data.orders;
same('resting orders', listed.map((order) => order.order_id), [rest.order_id]);
scene.did('list', 'OrdersApi.getOrders', `${listed.length} order`);

const cancelled = (await orders.cancelOrderV2(rest.order_id, undefined, undefined, ticker)).data;
same('taken off', micros(cancelled.reduced_by), micros('20'));
same('what became of it', 'cancelled', (await scene.order({ order_id: rest.order_id })).status);
same('status', (await orders.getOrder(rest.order_id)).data.order.status, 'canceled');
scene.did('cancel', 'OrdersApi.cancelOrderV2', `${cancelled.reduced_by} contracts taken off`);

const balance = (await portfolio.getBalance()).data;
same('cash', micros(balance.balance_dollars), await scene.cash());
scene.did('balances', 'PortfolioApi.getBalance', balance.balance_dollars);

const positions = (await portfolio.getPositions()).data.market_positions;
same('positions', positions.map((row) => row.ticker), [ticker]);
same('position', micros(positions[0].position_fp), await scene.shares(ticker));
scene.did('positions', 'PortfolioApi.getPositions', `${positions[0].position_fp} contracts`);

scene.lacks('market stream', 'the client has no WebSocket');
scene.lacks('account stream', 'the client has no WebSocket');
