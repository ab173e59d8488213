// @predictdotfun/sdk, unchanged. It computes amounts, signs and asks the chain; it posts nothing. So its signed orders
// go to the simulator by plain HTTP, and what it cannot read is read so. It takes the node of the wallet it is given.
import { ChainId, OrderBuilder, Side } from '@predictdotfun/sdk';
import { JsonRpcProvider, Wallet, parseEther } from 'ethers';
import { Scene, plain, same, sleep, soon } from './scene.mjs';

const BNB_CHAIN = 56;
const MILLIONTH = 10n ** 12n; // of eighteen decimals
const REMOVABLE_MS = 500; // an order cannot be removed in its first fraction of a second

const scene = new Scene();
const [marketId] = scene.listings;
const wallet = new Wallet(scene.credentials.private_key, new JsonRpcProvider(scene.rpc, BNB_CHAIN, { staticNetwork: true }));
const builder = await OrderBuilder.make(ChainId.BnbMainnet, wallet);
scene.told('the `provider` of the wallet that it is given; HTTP is ours');
const headers = { 'x-api-key': scene.credentials.api_key, 'content-type': 'application/json' };

async function http(method, path, body) {
  const reply = await fetch(scene.rest + path, { method, headers, body: body && JSON.stringify(body) });
  if (reply.status === 404 && method === 'GET') return undefined; // a taker's order is held back, and not shown while it is
  const answer = await reply.json();
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(answer)}`);
  return answer.data ?? answer;
}

await scene.setBook(marketId, [['0.41', '80'], ['0.4', '300']], [['0.42', '100'], ['0.43', '250.5']]);
const market = await http('GET', `/v1/markets/${marketId}`);
const { message } = await http('GET', '/v1/auth/message');
const login = { signer: wallet.address, message, signature: await wallet.signMessage(message) };
headers.authorization = `Bearer ${(await http('POST', '/v1/auth', login)).token}`;

const tokens = market.outcomes.map((outcome) => BigInt(outcome.onChainId));
const { isNegRisk, isYieldBearing, feeRateBps } = market;
same('tokens', await builder.validateTokenIds(tokens, isNegRisk, isYieldBearing), true);
scene.did('market data', 'validateTokenIds on chain', `${tokens.length} tokens are of this exchange`);
same('approvals', (await builder.setApprovals()).success, true);

async function post(strategy, side, amounts, rules) {
  const order = builder.buildOrder(strategy, {
    maker: wallet.address, signer: wallet.address, side, tokenId: market.outcomes[0].onChainId,
    makerAmount: amounts.makerAmount, takerAmount: amounts.takerAmount, nonce: 0n, feeRateBps,
  });
  const typed = builder.buildTypedData(order, { isNegRisk, isYieldBearing });
  const hash = builder.buildTypedDataHash(typed);
  const signed = await builder.signTypedDataOrder(typed);
  const wish = { order: { ...signed, hash }, pricePerShare: amounts.pricePerShare.toString(), strategy, ...rules };
  same('hash', (await http('POST', '/v1/orders', { data: wish })).orderHash, hash);
  return hash;
}

const truthOf = (hash) => scene.order({ order_id: hash.toLowerCase() });

async function takes(side, wish) {
  const book = await http('GET', `/v1/markets/${marketId}/orderbook`);
  const rules = { slippageBps: wish.slippageBps.toString(), isMinAmountOut: wish.isMinAmountOut ?? false };
  const hash = await post('MARKET', side, builder.getMarketOrderAmounts({ side, ...wish }, book), rules);
  const order = await soon('a settled order', async () => {
    const found = await http('GET', `/v1/orders/${hash}`);
    return found?.status === 'FILLED' && BigInt(found.amountFilled) && found;
  });
  const truth = await truthOf(hash);
  same('shares', BigInt(order.amountFilled), truth.filled * MILLIONTH);
  const fee = `${plain(await scene.kept(truth.order_id))} shares and ${plain(truth.fees)} USDT`;
  return `${plain(truth.filled)} shares for ${plain(truth.value)}, fee ${fee}`;
}

const how = 'getMarketOrderAmounts, buildOrder, signTypedDataOrder';
scene.did('buy', how, await takes(Side.BUY, { valueWei: parseEther('50'), slippageBps: 100n, isMinAmountOut: true }));
scene.did('sell', how, await takes(Side.SELL, { quantityWei: parseEther('70'), slippageBps: 50n }));

const limit = { side: Side.BUY, pricePerShareWei: parseEther('0.3'), quantityWei: parseEther('10') };
const rest = await post('LIMIT', Side.BUY, builder.getLimitOrderAmounts(limit), {});
same('what became of it', 'resting', (await truthOf(rest)).status);
const { status } = await soon('the resting order', () => http('GET', `/v1/orders/${rest}`));
same('status', status, 'OPEN');
scene.did('rest', 'getLimitOrderAmounts, buildOrder, signTypedDataOrder', status);
scene.lacks('read', 'the client reads no orders; by HTTP it is OPEN');
const listed = (await http('GET', '/v1/orders?status=OPEN')).map((row) => row.order.hash);
same('open orders', listed, [rest]);
scene.lacks('list', 'the client lists no orders; by HTTP it is the only one');
await sleep(REMOVABLE_MS);
await http('POST', '/v1/orders/remove-by-hash', { data: { hashes: [rest] } });
same('what became of it', 'cancelled', (await truthOf(rest)).status);
scene.lacks('cancel', "the client's cancelOrders is a transaction on chain; removed by HTTP");

const cash = await builder.balanceOf();
same('cash', cash, (await scene.cash()) * MILLIONTH);
scene.did('balances', 'balanceOf on chain', plain(cash / MILLIONTH));
const held = await builder.contracts.CONDITIONAL_TOKENS.contract.balanceOf(wallet.address, tokens[0]);
same('shares', held, (await scene.shares(marketId)) * MILLIONTH);
scene.did('positions', 'contracts.CONDITIONAL_TOKENS.contract.balanceOf', plain(held / MILLIONTH));
scene.lacks('market stream', 'the client has no WebSocket');
scene.lacks('account stream', 'the client has no WebSocket');
process.exit(0); // the node's provider keeps a timer
