// localStorage (HTML Standard, 12.2), in the memory of the process: what is stored ends with it, and nobody else sees it.
export default function (web) {
  const { Object, Reflect, Map, Proxy, Symbol, TypeError, DOMException } = globalThis;
  const { apply } = Reflect;
  const { get: getOf, set: putTo, has: isIn, delete: takeFrom, forEach } = Map.prototype;
  const MOST = 5 << 20; // characters of keys and values
  const key = {};
  let items = new Map(), size = 0, keys; // keys: of the items in their order; undefined: to be listed

  const has = (name) => apply(isIn, items, [name]);
  const get = (name) => apply(getOf, items, [name]);
  function put(name, value) {
    const old = get(name), after = size + value.length - (old === undefined ? -name.length : old.length);
    if (after > MOST) throw new DOMException(`more than ${MOST} characters`, 'QuotaExceededError');
    apply(putTo, items, [name, value]);
    if (old === undefined) keys = undefined;
    size = after;
  }
  function remove(name) {
    const old = get(name);
    if (old === undefined) return false;
    apply(takeFrom, items, [name]);
    keys = undefined;
    size -= name.length + old.length;
    return true;
  }
  function list() {
    if (keys !== undefined) return keys;
    keys = [];
    apply(forEach, items, [(value, name) => { keys[keys.length] = name; }]);
    return keys;
  }
  function check(self, needed, given) {
    if (self !== storage) throw new TypeError('not a Storage');
    if (given < needed) throw new TypeError(`${needed} argument${needed === 1 ? ' is' : 's are'} needed`);
  }

  class Storage {
    constructor(given = undefined) { if (given !== key) throw new TypeError('there is one localStorage only'); }
    get length() {
      check(this, 0, 0);
      return list().length;
    }
    key(index) {
      check(this, 1, arguments.length);
      return list()[index >>> 0] ?? null;
    }
    getItem(name) {
      check(this, 1, arguments.length);
      return get(`${name}`) ?? null;
    }
    setItem(name, value) {
      check(this, 2, arguments.length);
      put(`${name}`, `${value}`);
    }
    removeItem(name) {
      check(this, 1, arguments.length);
      remove(`${name}`);
    }
    clear() {
      check(this, 0, 0);
      items = new Map();
      keys = undefined;
      size = 0;
    }
  }
  for (const name of Object.getOwnPropertyNames(Storage.prototype))
    if (name !== 'constructor') Object.defineProperty(Storage.prototype, name, { enumerable: true });
  Object.defineProperty(Storage.prototype, Symbol.toStringTag, { value: 'Storage', configurable: true });

  // Items are properties too, where the class has none of that name.
  const shows = (target, name) => typeof name === 'string' && has(name) && !(name in target);
  const { ownKeys, get: getFrom, has: hasIn, deleteProperty, defineProperty, getOwnPropertyDescriptor } = Reflect;
  const storage = new Proxy(new Storage(key), {
    __proto__: null,
    get: (target, name, receiver) => (shows(target, name) ? get(name) : getFrom(target, name, receiver)),
    has: (target, name) => shows(target, name) || hasIn(target, name),
    set(target, name, value) {
      if (typeof name === 'symbol') return defineProperty(target, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
      put(name, `${value}`);
      return true;
    },
    deleteProperty: (target, name) => (shows(target, name) ? remove(name) : deleteProperty(target, name)),
    defineProperty(target, name, descriptor) {
      if (typeof name === 'symbol') return defineProperty(target, name, descriptor);
      if ('get' in descriptor || 'set' in descriptor) return false;
      put(name, `${descriptor.value}`);
      return true;
    },
    getOwnPropertyDescriptor: (target, name) => (shows(target, name)
      ? { __proto__: null, value: get(name), writable: true, enumerable: true, configurable: true }
      : getOwnPropertyDescriptor(target, name)),
    ownKeys(target) {
      const all = list(), own = ownKeys(target), shown = [];
      for (let i = 0; i < all.length; i++) if (!(all[i] in target)) shown[shown.length] = all[i];
      for (let i = 0; i < own.length; i++) shown[shown.length] = own[i];
      return shown;
    },
    preventExtensions: () => false,
    setPrototypeOf: (target, prototype) => prototype === Storage.prototype,
  });

  web.define({ Storage, localStorage: storage });
}
