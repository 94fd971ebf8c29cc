// Whether all of it is there: asks the shop, over the one door that it has.
export async function decide(order) {
  const missing = [];
  for (const { item, count } of order.items ?? [])
    if ((await Beam.call('stock', item)) < count) missing.push(item);
  return missing.length === 0 ? 'deliver' : { wait_for: missing };
}
