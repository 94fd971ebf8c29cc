// URL and URLSearchParams (URL Standard). The parser is url_parse.c's: a URL is its text and where the parts of that begin.
export default function (web, op) {
  const { Object, Reflect, Symbol, String, Array, Uint8Array, Uint32Array, TypeError } = globalThis;
  const { apply } = Reflect;
  const { slice, normalize } = String.prototype;
  const { splice } = Array.prototype;
  const inNormalForm = (text) => apply(normalize, text, ['NFC']);
  const places = new Uint8Array(48), numbers = new Uint32Array(places.buffer);
  const parse = (text, base) => web.host(op, text, base, inNormalForm, places);
  const change = (href, which, value) => web.host(op + 1, href, which, value, inNormalForm, places);
  const decode = (text) => web.host(op + 2, text);
  const encode = (list) => web.host(op + 3, list);
  // As in url_parse.h and url.c.
  const SCHEME_END = 0, USER = 1, USER_END = 2, PASSWORD = 3, PASSWORD_END = 4, HOST = 5, HOST_END = 6, PORT = 7, PATH = 8, QUERY = 9, FRAGMENT = 10,
    FLAGS = 11, HAS_HOST = 2;
  const SET = { protocol: 0, username: 1, password: 2, host: 3, hostname: 4, port: 5, pathname: 6, search: 7, hash: 8 };
  const takePlaces = () => [numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[7], numbers[8], numbers[9],
    numbers[10], numbers[11]];
  function need(count, given) {
    if (given < count) throw new TypeError(`${count} argument${count === 1 ? ' is' : 's are'} needed`);
  }

  // ---- queries
  let listOf, setList, bind;
  class URLSearchParams {
    #list = []; // names and values by turns
    #url = undefined; // function that is told the new text
    constructor(init = '') {
      if (init === null || (typeof init !== 'object' && typeof init !== 'function')) {
        init = `${init}`;
        this.#list = decode(init[0] === '?' ? apply(slice, init, [1]) : init);
        return;
      }
      const list = this.#list, method = init[Symbol.iterator];
      if (method !== undefined && method !== null) {
        if (typeof method !== 'function') throw new TypeError('pairs cannot be iterated');
        for (const pair of { [Symbol.iterator]: () => apply(method, init, []) }) {
          if ((typeof pair !== 'object' && typeof pair !== 'function') || pair === null) throw new TypeError('a pair is a list of two');
          const both = [...pair];
          if (both.length !== 2) throw new TypeError('a pair is a list of two');
          list[list.length] = wellFormed(`${both[0]}`);
          list[list.length] = wellFormed(`${both[1]}`);
        }
        return;
      }
      const keys = Reflect.ownKeys(init);
      for (let i = 0; i < keys.length; i++) {
        const property = Reflect.getOwnPropertyDescriptor(init, keys[i]);
        if (property === undefined || !property.enumerable) continue;
        const name = `${keys[i]}`, value = `${init[keys[i]]}`;
        let k = 0; // names that differ in lone surrogates only are one
        while (k < list.length && list[k] !== wellFormed(name)) k += 2;
        list[k] = wellFormed(name);
        list[k + 1] = wellFormed(value);
      }
    }
    get size() { return this.#list.length / 2; }
    append(name, value) {
      need(2, arguments.length);
      const list = this.#list;
      name = `${name}`;
      list[list.length + 1] = wellFormed(`${value}`);
      list[list.length - 2] = wellFormed(name);
      this.#changed();
    }
    delete(name, value = undefined) {
      need(1, arguments.length);
      const list = this.#list;
      name = wellFormed(`${name}`);
      if (value !== undefined) value = wellFormed(`${value}`);
      for (let i = 0; i < list.length;)
        if (list[i] === name && (value === undefined || list[i + 1] === value)) apply(splice, list, [i, 2]);
        else i += 2;
      this.#changed();
    }
    get(name) {
      need(1, arguments.length);
      const i = this.#find(name);
      return i < 0 ? null : this.#list[i + 1];
    }
    getAll(name) {
      need(1, arguments.length);
      const list = this.#list, found = [];
      name = wellFormed(`${name}`);
      for (let i = 0; i < list.length; i += 2) if (list[i] === name) found[found.length] = list[i + 1];
      return found;
    }
    has(name, value = undefined) {
      need(1, arguments.length);
      const list = this.#list;
      name = wellFormed(`${name}`);
      if (value !== undefined) value = wellFormed(`${value}`);
      for (let i = 0; i < list.length; i += 2)
        if (list[i] === name && (value === undefined || list[i + 1] === value)) return true;
      return false;
    }
    set(name, value) {
      need(2, arguments.length);
      const list = this.#list;
      name = wellFormed(`${name}`);
      value = wellFormed(`${value}`);
      let i = 0;
      while (i < list.length && list[i] !== name) i += 2;
      list[i] = name;
      list[i + 1] = value;
      for (i += 2; i < list.length;)
        if (list[i] === name) apply(splice, list, [i, 2]);
        else i += 2;
      this.#changed();
    }
    sort() {
      const list = this.#list, pairs = [];
      for (let i = 0; i < list.length; i += 2) pairs[i / 2] = { name: list[i], value: list[i + 1] };
      apply(sort, pairs, [(a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)]);
      for (let i = 0; i < pairs.length; i++) {
        list[2 * i] = pairs[i].name;
        list[2 * i + 1] = pairs[i].value;
      }
      this.#changed();
    }
    toString() { return encode(this.#list); }
    forEach(callback, self = undefined) {
      need(1, arguments.length);
      if (typeof callback !== 'function') throw new TypeError('forEach needs a function');
      for (let i = 0; i < this.#list.length; i += 2) apply(callback, self, [this.#list[i + 1], this.#list[i], this]);
    }
    entries() { return iterate(this.#list && this, (list, i) => [list[i], list[i + 1]]); }
    keys() { return iterate(this.#list && this, (list, i) => list[i]); }
    values() { return iterate(this.#list && this, (list, i) => list[i + 1]); }
    #find(name) {
      const list = this.#list;
      name = wellFormed(`${name}`);
      for (let i = 0; i < list.length; i += 2) if (list[i] === name) return i;
      return -1;
    }
    #changed() { this.#url?.(encode(this.#list)); }
    static {
      listOf = (params) => params.#list;
      setList = (params, list) => { params.#list = list; };
      bind = (params, fn) => { params.#url = fn; };
    }
  }
  const { sort } = Array.prototype, { toWellFormed } = String.prototype;
  const wellFormed = (text) => apply(toWellFormed, text, []);
  Object.defineProperty(URLSearchParams.prototype, Symbol.iterator, { value: URLSearchParams.prototype.entries, writable: true, configurable: true });

  const IteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
  let iterate;
  class ParamsIterator {
    #params; #pick; #at = 0;
    constructor(params, pick) {
      this.#params = params;
      this.#pick = pick;
    }
    next() {
      const list = listOf(this.#params), at = this.#at;
      if (at >= list.length) return { value: undefined, done: true };
      this.#at = at + 2;
      return { value: (0, this.#pick)(list, at), done: false };
    }
    static { iterate = (params, pick) => new ParamsIterator(params, pick); }
  }
  delete ParamsIterator.prototype.constructor;
  Object.setPrototypeOf(ParamsIterator.prototype, IteratorPrototype);
  Object.defineProperty(ParamsIterator.prototype, 'next', { enumerable: true });
  Object.defineProperty(ParamsIterator.prototype, Symbol.toStringTag, { value: 'URLSearchParams Iterator', configurable: true });

  // ---- URLs
  const text = (value) => `${value}`;
  class URL {
    #href = ''; #places; #params = undefined;
    constructor(url, base = undefined) {
      need(1, arguments.length);
      url = text(url);
      this.#take(parse(url, base === undefined ? undefined : text(base)));
    }
    static canParse(url, base = undefined) {
      need(1, arguments.length);
      url = text(url);
      return parse(url, base === undefined ? undefined : text(base)) !== null;
    }
    static parse(url, base = undefined) {
      need(1, arguments.length);
      url = text(url);
      base = base === undefined ? undefined : text(base);
      return parse(url, base) === null ? null : new URL(url, base);
    }
    #take(href) {
      if (href === null) throw new TypeError('not a URL');
      this.#href = href;
      this.#places = takePlaces();
    }
    #part(from, to) { return apply(slice, this.#href, [this.#places[from], to === undefined ? undefined : this.#places[to]]); }
    #set(which, value) {
      const href = change(this.#href, which, value);
      if (href !== null) this.#take(href);
    }
    get href() { return this.#href; }
    set href(value) {
      this.#take(parse(text(value), undefined));
      this.#refresh();
    }
    #refresh() { if (this.#params !== undefined) setList(this.#params, decode(apply(slice, this.#part(QUERY, FRAGMENT), [1]))); }
    get origin() {
      const scheme = this.#scheme();
      switch (scheme) {
        case 'http:': case 'https:': case 'ws:': case 'wss:': case 'ftp:': return `${scheme}//${this.#part(HOST, PATH)}`;
        case 'blob:': {
          const inner = parse(this.#part(PATH, QUERY), undefined);
          if (inner === null) return 'null';
          const of = new URL(inner), kind = of.#scheme();
          return kind === 'http:' || kind === 'https:' ? `${kind}//${of.#part(HOST, PATH)}` : 'null';
        }
        default: return 'null';
      }
    }
    #scheme() { return apply(slice, this.#href, [0, this.#places[SCHEME_END]]); }
    get protocol() { return this.#scheme(); }
    set protocol(value) { this.#set(SET.protocol, text(value)); }
    get username() { return this.#part(USER, USER_END); }
    set username(value) { this.#set(SET.username, text(value)); }
    get password() { return this.#part(PASSWORD, PASSWORD_END); }
    set password(value) { this.#set(SET.password, text(value)); }
    get host() { return (this.#places[FLAGS] & HAS_HOST) === 0 ? '' : this.#part(HOST, PATH); }
    set host(value) { this.#set(SET.host, text(value)); }
    get hostname() { return this.#part(HOST, HOST_END); }
    set hostname(value) { this.#set(SET.hostname, text(value)); }
    get port() { return this.#part(PORT, PATH); }
    set port(value) { this.#set(SET.port, text(value)); }
    get pathname() { return this.#part(PATH, QUERY); }
    set pathname(value) { this.#set(SET.pathname, text(value)); }
    get search() {
      const query = this.#part(QUERY, FRAGMENT);
      return query === '?' ? '' : query;
    }
    set search(value) {
      this.#set(SET.search, text(value));
      this.#refresh();
    }
    get searchParams() {
      if (this.#params === undefined) {
        const params = this.#params = new URLSearchParams();
        this.#refresh();
        bind(params, (query) => this.#set(SET.search, query));
      }
      return this.#params;
    }
    get hash() {
      const fragment = this.#part(FRAGMENT);
      return fragment === '#' ? '' : fragment;
    }
    set hash(value) { this.#set(SET.hash, text(value)); }
    toString() { return this.#href; }
    toJSON() { return this.#href; }
  }
  for (const Class of [URL, URLSearchParams]) {
    for (const object of [Class, Class.prototype])
      for (const key of Object.getOwnPropertyNames(object))
        if (key !== 'constructor' && key !== 'prototype' && key !== 'name' && key !== 'length') Object.defineProperty(object, key, { enumerable: true });
    Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: Class.name, configurable: true });
  }

  web.define({ URL, URLSearchParams });
}
