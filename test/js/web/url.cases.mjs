// URLs: tables of texts, of which each row is a case. Where Node does not do what the URL Standard says, it is in
// test/js/url_test.c.
const cases = {};
const add = (name, fn) => {
  if (name in cases) throw new Error(`two cases are called ${name}`);
  cases[name] = fn;
};
const outcome = (fn) => { try { return fn(); } catch (error) { return `throws ${error.name}`; } };
const parts = (u) => [u.href, u.origin, u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname, u.search, u.hash];
const show = (text) => JSON.stringify(text).slice(0, 70);

// ---- parsing without a base
const texts = [
  // schemes
  'http://a', 'HTTP://A', 'hTtPs://a', 'ws://a', 'wss://a', 'ftp://a', 'file:///a', 'a:b', 'A+1-.:b', '1a:b', 'a_b:c', ':a', '', ' ', 'a', '//a', '/a', 'http', 'http:', 'http:/', 'http://', 'http:///', 'http:a', 'http:/a', 'http:////a', 'http:\\\\a', 'http:/\\a\\b',
  'mailto:a@b.c', 'data:text/plain,hello world', 'javascript:alert(1)', 'about:blank', 'urn:isbn:1', 'tel:+1', 'blob:https://a.b/c', 'blob:http://a:80/c', 'blob:ftp://a/c', 'blob:a', 'blob:', 'x:', 'x:/', 'x://', 'x:///', 'x://a', 'x://a/', 'x:a/b?c#d',
  // white space and controls
  '  http://a  ', '\thttp://a\n', 'ht\ntp://a', 'http://a/\tb\nc\rd', 'http://a/b c', 'http://a/\u0000b', '\u0000http://a\u001f', 'http://a b', 'http://a\u0000b', 'http://a/?b c', 'http://a/#b c', 'http://a/\u007f', '\u00a0http://a', 'http://a\u00a0',
  // credentials
  'http://u@a', 'http://u:p@a', 'http://:p@a', 'http://u:@a', 'http://:@a', 'http://@a', 'http://u@', 'http://u:p@', 'http://u@:80', 'http://u:p:q@a', 'http://u@v@a', 'http://u:p@v:q@a', 'http://u%20:p%3A@a', 'http://u v:p/q@a', 'http://\u00e4:\u20ac@a', "http://!$&'()*+,;=:p@a", 'http://u|^`{}<>"@a', 'x://u:p@a', 'x://u@', 'file://u@a', 'http://a/@b', 'http://u/p@a',
  // hosts
  'http://EXAMPLE.com', 'http://a.', 'http://a..b', 'http://.a', 'http://.', 'http://..', 'http://a-b_c~d', 'http://a!b', 'http://a$b', 'http://a&b', "http://a'b", 'http://a(b)', 'http://a*b', 'http://a+b', 'http://a,b', 'http://a;b', 'http://a=b', 'http://a<b', 'http://a>b', 'http://a^b', 'http://a|b', 'http://a`b', 'http://a{b}', 'http://a"b', 'http://a%b', 'http://a%41b', 'http://%41', 'http://a%2eb', 'http://a%00b', 'http://a%20b', 'http://a%', 'http://a%4', 'http://%zz', 'http://%e4', 'http://%c3%a4', 'http://%C3%A4.com', 'http://a%2fb', 'http://a%3ab', 'http://a\\b', 'http://a[b', 'http://a]b', 'http://' + 'a'.repeat(300), 'http://' + 'a.'.repeat(150) + 'b',
  'x://A', 'x://a b', 'x://a%b', 'x://a%zz', 'x://a<b', 'x://a>b', 'x://a^b', 'x://a|b', 'x://\u00e4', 'x://a\\b', 'x://a[b', 'x://a:b', 'x://1.2.3', 'x://[::1]', 'x://[::1', 'x://A%41', 'x://a`{}"', 'x://a\u007fb',
  // IPv4
  'http://1.2.3.4', 'http://1', 'http://1.2', 'http://1.2.3', 'http://1.2.3.4.', 'http://1.2.3.4..', 'http://1.2.3.4.5', 'http://256', 'http://256.1.1.1', 'http://1.256.1.1', 'http://1.1.1.256', 'http://1.1.65535', 'http://1.1.65536', 'http://1.16777215', 'http://1.16777216', 'http://4294967295', 'http://4294967296', 'http://99999999999999999999', 'http://0x7f.1', 'http://0X7F000001', 'http://0x', 'http://0x.0x', 'http://0xg', 'http://0xffffffff', 'http://0x100000000', 'http://017700000001', 'http://08', 'http://09.1', 'http://1.08', 'http://0', 'http://00', 'http://0.0.0.0', 'http://1..2', 'http://a.1', 'http://a.0x1', 'http://a.1.', 'http://1.a', 'http://1.2.3.a', 'http://0x1.0x2.0x3.0x4', 'http://\uff11.2.3.4', 'http://1%2e2.3.4', 'http://a.09', 'http://a.0xg', 'http://+1', 'http://1e2', 'http://-1', 'http://1.-1', 'http://256.256.256.256.', 'http://192.168.257', 'http://192.168.0.1/',
  // IPv6
  'http://[::]', 'http://[::1]', 'http://[1::]', 'http://[1:2:3:4:5:6:7:8]', 'http://[1:2:3:4:5:6:7::]', 'http://[::2:3:4:5:6:7:8]', 'http://[1:2:3:4:5:6:7]', 'http://[1:2:3:4:5:6:7:8:9]', 'http://[1:2:3:4:5:6:7:8::]', 'http://[::1:2:3:4:5:6:7:8]', 'http://[1::2::3]', 'http://[:::]', 'http://[:1]', 'http://[1:]', 'http://[]', 'http://[:]', 'http://[g::]', 'http://[12345::]', 'http://[FFFF::ABCD]', 'http://[0001::0000]', 'http://[1:0:0:2:0:0:0:3]', 'http://[1:0:0:2:0:0:3:4]', 'http://[0:1:0:1:0:1:0:1]', 'http://[0:0:1::]', 'http://[1:0:1:0:1:0:1:0]', 'http://[::1.2.3.4]', 'http://[::ffff:1.2.3.4]', 'http://[1:2:3:4:5:6:1.2.3.4]', 'http://[1:2:3:4:5:6:7:1.2.3.4]', 'http://[1:2:3:4:5:1.2.3.4]', 'http://[::1.2.3]', 'http://[::1.2.3.4.5]', 'http://[::1.2.3.256]', 'http://[::01.2.3.4]', 'http://[::1.2.3.04]', 'http://[::1.2.3.]', 'http://[::.1.2.3]', 'http://[::1.2.3.4:1]', 'http://[::1.2..4]', 'http://[::1.a.3.4]', 'http://[::0.0.0.0]', 'http://[::1', 'http://::1]', 'http://[::1]a', 'http://[::1]:80', 'http://[::1]:81', 'http://[::1]:', 'http://[::1%eth0]', 'http://[::%31]', 'http://u@[::1]/', 'http://[1.2.3.4]', 'http://[a]', 'http://[::1]]', 'http://[[::1]]', 'http://[0:0:0:0:0:0:0:0]', 'http://[1:2:0:0:0:0:7:8]',
  // ports
  'http://a:80', 'http://a:81', 'https://a:443', 'https://a:80', 'ws://a:80', 'wss://a:443', 'ftp://a:21', 'http://a:', 'http://a:0', 'http://a:00', 'http://a:0080', 'http://a:65535', 'http://a:65536', 'http://a:99999999999', 'http://a:-1', 'http://a:b', 'http://a:8b', 'http://a:8 0', 'http://a:80/b', 'http://a:?b', 'http://a:#b', 'http://a:\\b', 'x://a:80', 'x://a:65536', 'http://:80', 'x://:80', 'file://a:80/', 'http://a:80:80', 'http://a:\t8\n1',
  // paths
  'http://a/b/c', 'http://a/./b', 'http://a/../b', 'http://a/b/..', 'http://a/b/.', 'http://a/b/../c', 'http://a/b/./c', 'http://a/b/../../..', 'http://a/%2e/b', 'http://a/%2E%2e/b', 'http://a/.%2e', 'http://a/%2e.', 'http://a/b/%2e%2E/c', 'http://a/...', 'http://a/b/.../c', 'http://a//b', 'http://a//../b', 'http://a/b//..//c', 'http://a\\b\\..\\c', 'http://a/b\\c', 'http://a/b;c=d', 'http://a/%zz%4', 'http://a/\u00e4\u20ac\u{1f600}', 'http://a/\ud800b', 'http://a/b"<>`{}|[]\\c', "http://a/!$&'()*+,:@=~_-.", 'http://a/b%20c', 'http://a?b', 'http://a#b', 'http://a/%', 'http://a/..%2fb', 'http://a/C|/b',
  'x:/a/../b', 'x:/a/./b', 'x:/.', 'x:/../..//b', 'x:///a//..', 'x:/.//b', 'x:/a/..//b', 'x:/..//b', 'x:\\a', 'x:a\\b', 'x:/a\\b', 'x:a b', 'x:a\u00e4', 'x:a"<>`{}|^', 'x:/a b', 'x:..', 'x:a/../b', 'x:%2e%2e/a', 'x:a\u0000b', 'x:\u007f', 'x:/a"<>`{}|',
  // queries and fragments
  'http://a/?', 'http://a/#', 'http://a/?#', 'http://a/?b#c?d#e', "http://a/?'", "x:/?'", "x:?'", 'http://a/?"<>', 'http://a/?`{}|^\\[]', 'http://a/?\u00e4\u20ac', 'http://a/?\ud800', 'http://a/?%zz%', 'http://a/?b=c&d=e+f', 'http://a/??b', 'http://a/#"<>`', "http://a/#'{}|^\\[]", 'http://a/#\u00e4', 'http://a/#%zz', 'http://a/##', 'http://a/?b\tc\nd', 'http://a/#b\tc', 'x:a?b#c', 'x:?', 'x:#', 'x:a#', 'http://a/?a/../b', 'http://a/#a/../b', 'http://a/?\u007f\u0001', 'http://a/#\u0000',
  // files
  'file:', 'file:/', 'file://', 'file:////', 'file:a', 'file:/a', 'file://a', 'file://a/b', 'file://localhost', 'file://localhost/a', 'file://LOCALHOST/a', 'file:///C:', 'file:///C:/', 'file:///C|/', 'file:///C|a', 'file:///c:/../a', 'file:///C:/..', 'file:///C:/../..', 'file:C:/a', 'file:C|/a', 'file:/C|/a', 'file://C:/a', 'file://C|/a', 'file:///CC:/..', 'file:///a/C:/..', 'file:\\\\a\\b', 'file:\\a', 'file:///a/../..', 'file:?a', 'file:#a', 'file://?a', 'file://#a', 'file://1.2.3', 'file://[::1]/a', 'file://a b/', 'file://%41/', 'file://\u00e4/', 'file:///%2e%2e/a', 'file:///C:/./..', 'file:///C%7C/a', 'file:///C%3A/..', 'file://C:', 'file:C:', 'file:c|', 'file:C|?a', 'file:C|#a', 'file:///./C:/..', 'file:///a/./C|/', 'file:////C:/..', 'file:///C:a/b',
  // names beyond ASCII
  'http://ex\u00e4mple.com', 'http://EX\u00c4MPLE.com', 'http://ex\u0061\u0308mple.com', 'http://fa\u00df.de', 'http://\u03c2.gr', 'http://\u03a3.gr', 'http://\u65e5\u672c\u8a9e.jp', 'http://\u65e5\u672c\u3002jp', 'http://\u65e5\uff0ejp', 'http://\u65e5\uff61jp', 'http://\u{1f4a9}.la', 'http://\u2603.net', 'http://\u2665', 'http://\uff41\uff42', 'http://\u2167', 'http://\ufb01', 'http://\u33cf', 'http://a\u00adb', 'http://\u00ad', 'http://\u00ad.com', 'http://a\u200bb', 'http://a\u2060b', 'http://a\u200db', 'http://a\u200cb', 'http://\u0915\u094d\u200d\u0937', 'http://\u0915\u094d\u200c\u0937', 'http://\u0628\u200c\u0628', 'http://\u0628\u200c', 'http://\u200c\u0628', 'http://\u0301a', 'http://a\u0301', 'http://\u05d0\u05d1', 'http://\u05d0a', 'http://\u05d01', 'http://\u06271', 'http://\u0627\u0661', 'http://\u0627\u0661\u06f1', 'http://\u05d0.a', 
  'http://\ufdd0', 'http://\uffff', 'http://\ue000', 'http://\ud800', 'http://\ufffd', 'http://a\u{e0100}b', 'http://\u{10ffff}', 'http://\u2260', 'http://\u226e', 'http://\u2100', 'http://\u2024a', 'http://a\u2024b', 'http://\u2488a', 'http://\uff05\uff14\uff11', 'http://a\u2044b', 'http://a\uff0fb', 'http://a\uff1ab', 'http://a\uff20b', 'http://a\uff1fb', 'http://a\u3000b', 'http://\uff10\uff58\uff17\uff46.1', 'http://\u2460.\u2461', 'http://\u0130', 'http://i\u0307', 'http://\u01c4', 'http://\u212a', 'http://\u2126', 'http://\u1e9b\u0323', 'http://\u1100\u1161', 'http://\uac00', 'http://\ufefa\ufefb', 'http://\ufdfa', 'http://-\u00e4', 'http://\u00e4-', 'http://ab--\u00e4', 'http://\u00e4_b', 'http://\u00e4%41', 'http://\u00e4.1.2.3', 'http://' + '\u00e4'.repeat(70), 'http://a..\u00e4', 'http://\u00e4.', 'http://.\u00e4', 'http://\u00e4:81', 'http://u@\u00e4',
  'http://xn--exmple-cua.com', 'http://XN--EXMPLE-CUA.com', 'http://xn--zca', 'http://xn--fa-hia.de', 'http://xn--ls8h', 'http://xn--', 'http://xn--a', 'http://xn---', 'http://xn--\u00e4', 'http://xn--a-\u00e4', 'http://xn--99999999', 'http://a.xn--', 'http://xn--4ca', 'http://xn--4CA', 'http://xn--1ch', 'http://xn--a-yoc', 'http://xn--mgba3gch31f060k', 'http://xn--0ca.xn--0ca', 'http://xn--1-zhc', 'http://xn--zn7c.com', 'http://xn--iny-zx5a', 'http://a.b.xn--pokxncvks', 'http://xn--!', 'http://xn--\u0061\u0308', 'http://xnn--a', 'http://axn--a', 'x://xn--a',
];
for (const text of new Set(texts)) add(`parse ${show(text)}${text.length > 60 ? text.length : ''}`, () => parts(new URL(text)));

// ---- with a base
const bases = ['http://u:p@h:81/a/b/c?d#e', 'http://h', 'file:///C:/a/b?c#d', 'file://h/a/b', 'x:/a/b/c?d#e', 'x://h/a/b', 'x://h', 'mailto:a@b?c#d', 'blob:https://a/b'];
const relative = ['', '.', '..', './', '../', '../..', '../../../..', 'g', 'g/', './g', '../g', '/g', '//g', '///g', '////g', '?', '?y', '#', '#s', 'g?y#s', ';x', 'g;x=1/./y', '/./g', '/../g', 'g/../h', 'http:', 'http:g', 'http:/g', 'http://g', 'https:g', 'https:/g', 'HTTP:g', 'x:', 'x:g', 'x:/g', 'y:g', 'file:', 'file:g', 'file:/g', 'file://g',
  '\\g', '\\\\g', 'g\\h', '/\\g', '\\/g', 'C:/x', 'C|/x', '/C:/x', '/C|/x', 'C|', '//C:/x', '//C|/x', '/..//g', '//', '///', '/', '  g  ', '\n', 'a:b', ':80', 'g:h', '%2e%2e/g', '\u00e4', '//\u00e4', '//g:81', '//:81', '//u@g', '//[::1]', '//1.2', '/?a', '/#a', '?#', '#?', '//?a', '//#a', '../C:', './/g', '/.//g', '/a/..//g'];
// Node takes a fragment behind something else against a path that is no list, and steps above the root of other schemes.
const differs = (text, base) => (/^(?:mailto|blob|x:a)/.test(base) && /.#/.test(text)) || (base.startsWith('x:') && text.includes('..'));
for (const base of bases) for (const text of relative) if (!differs(text, base)) add(`resolve ${show(text)} against ${base}`, () => parts(new URL(text, base)));
for (const base of ['', 'a', '/a', 'http:', 'http://', 'x', undefined, null, 5]) add(`a base ${JSON.stringify(base) ?? 'undefined'}`, () => [outcome(() => new URL('http://a/b', base).href), outcome(() => new URL('b', base).href)]);

// ---- setters
const subjects = ['http://u:p@h:81/a/b?c=d#e', 'https://h/', 'file:///a/b', 'file://h/a', 'x://u@h:81/a?b#c', 'x:/a/b', 'x:a?b#c', 'mailto:a@b', 'x://', 'http://[::1]:8/', 'blob:http://a/b'];
const values = {
  href: ['http://new/', 'nonsense', '', ' x:y '],
  protocol: ['https', 'https:', 'https://evil', 'HTTP', 'ws', 'file', 'x', 'mailto', '', '1', 'ht tp', 'h\u00e4', 'ftp:', ':', 'x+y', 'wss\n'],
  username: ['', 'u', 'a:b', 'a@b/c', '\u00e4 %41', 'a\tb', '\u0000'],
  password: ['', 'p', 'a:b', 'a@b/c', '\u00e4 %41'],
  host: ['', 'new', 'new:82', 'new:', 'new:443', 'new:80', 'new:65536', 'new:x', 'new/x', 'new?x', 'new#x', 'new\\x', 'a b', '1.2.3', '[::2]', '[::2]:9', '[', 'u@new', ':82', '\u00e4', '%41', 'localhost', 'C:', 'new:8\t3', 'x:82x', 'a:0082', 'xn--a', '-'],
  hostname: ['', 'new', 'new:82', 'new:', ':', 'new/x', 'new?x', 'new#x', 'new\\x', 'a b', '1.2.3', '0x7f', '[::2]', '[::2]:9', '[::2', 'u@new', '\u00e4', '%41', '\u00ad', 'a\tb', 'localhost'],
  port: ['', '82', '0', '80', '443', '65535', '65536', '99999999', '-1', 'x', '8x', '8/9', ' 8', '8 ', '0082', '\t8\n2', '8\\9', '\u0663'],
  pathname: ['', '/', 'x', '/x/y', 'x?y', 'x#y', '..', '/../..', '//x', '///', '\\x\\y', '/C|/x', 'C:/..', '%2e%2e/x', '\u00e4 "<>`{}|', '/.', '/.//x', 'a\tb', '?', '#', '/a/..//b'],
  search: ['', '?', 'x', '?x', '??x', 'x#y', "'", '\u00e4 "<>', 'a\tb', 'a=b&c=d', '%zz', '?#', '\ud800'],
  hash: ['', '#', 'x', '#x', '##x', 'x?y', '\u00e4 "<>`', 'a\tb', '%zz', '\u0000', '\ud800'],
};
for (const subject of subjects)
  for (const [member, list] of Object.entries(values))
    if (!subject.startsWith('x:') || !['host', 'hostname'].includes(member)) add(`set ${member} of ${subject}`, () => list.filter((value) => !differs(value, subject)).map((value) => { const u = new URL(subject); return [value, outcome(() => { u[member] = value; return ''; }), u.href, u[member]]; }));
add('setters in a row', () => { const u = new URL('http://a/'); u.host = 'b:1'; u.port = '2'; u.pathname = 'c'; u.search = 'd'; u.hash = 'e'; u.username = 'f'; u.password = 'g'; u.protocol = 'ws'; return parts(u); });
add('origin cannot be set', () => { 'use strict'; const u = new URL('http://a/'); return [outcome(() => { u.origin = 'http://b'; }), u.origin]; });

// ---- the class
Object.assign(cases, {
  'a URL needs a text': () => new URL(),
  'a URL needs new': () => URL('http://a'),
  'a URL of an object': () => new URL({ toString: () => 'http://a/b' }).href,
  'a URL of a URL': () => new URL(new URL('http://a/b'), new URL('http://c')).href,
  'a URL of a symbol': () => new URL(Symbol('http://a')),
  'a URL says what it is': () => [String(new URL('http://a')), Object.prototype.toString.call(new URL('http://a')), JSON.stringify({ u: new URL('http://a') }), `${new URL('http://a')}`],
  'a getter needs a URL': () => Object.getOwnPropertyDescriptor(URL.prototype, 'href').get.call({}),
  'members are seen by for-in': () => { const keys = []; for (const k in new URL('http://a')) keys.push(k); return keys.sort(); },
  'canParse': () => ['http://a', 'a', '', 'http://', undefined, null, 5].map((v) => URL.canParse(v)),
  'canParse with a base': () => [URL.canParse('a', 'http://b'), URL.canParse('a', 'b'), URL.canParse('http://a', 'b'), URL.canParse('a', undefined)],
  'canParse needs a text': () => URL.canParse(),
  'the error of a URL': () => { try { new URL('a'); } catch (e) { return [e instanceof TypeError, e.name]; } return 'none'; },
  'every character of ASCII at every place': () => {
    const list = [];
    for (let c = 0; c < 128; c++) {
      const k = String.fromCharCode(c);
      for (const text of [`http://u${k}v@h/`, `http://u:p${k}q@h/`, `http://h${k}i/`, `http://h/a${k}b`, `http://h/?a${k}b`, `http://h/#a${k}b`, `x://h${k}i/`, `x:a${k}b`, `x:/a${k}b`, `x:/?a${k}b`])
        if (!(k === '^' && /\/a|:\/a/.test(text))) list.push(outcome(() => new URL(text).href));
    }
    return list;
  },
  'texts made of what matters': () => {
    let seed = 7;
    const random = (n) => { seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; return (seed >>> 8) % n; };
    const pieces = ['http:', 'https:', 'file:', 'x:', '/', '//', '\\', '.', '..', '%2e', ':', '@', '?', '#', 'a', 'B', '1', '80', '[', ']', '::', '[::1]', 'C:', 'C|', '0x', '.1', ' ', '\t', '%', '%41', '\u00e4', 'xn--'];
    const list = [];
    for (let i = 0; i < 3000; i++) {
      let text = '';
      for (let n = 1 + random(8); n > 0; n--) text += pieces[random(pieces.length)];
      const base = [undefined, 'http://h/a/b?c', 'file:///C:/a/b', 'x:/a/b', 'x:a'][random(5)];
      if (differs(text, base ?? text) || / [?#]/.test(text) || /\s$/.test(text) || /^x:.*(?:\.|%2e)/.test(text)) continue;
      list.push(outcome(() => new URL(text, base).href));
    }
    return list;
  },
});

// ---- queries
const queries = ['', '?', 'a', 'a=', '=', '=a', '&', '&&', 'a=b', '?a=b', '??a=b', 'a=b=c', 'a=b&c=d', 'a&b', '&a=b&', 'a+b=c+d', 'a%20b', '%', '%4', '%zz', '%41=%42', '%e4', '%c3%a4', '%f0%9f%98%80', '%ed%a0%80', '\u00e4=\u20ac', '\u{1f600}', '\ud800=\udc00', 'a=b#c', 'a\tb', '%00', '%26=%3D', '+', '%2B', '\ufeffa=b', '%EF%BB%BFa', 'a;b', '\u0000'];
for (const text of queries) {
  add(`a query ${show(text)}`, () => { const p = new URLSearchParams(text); return [[...p], p.size, p.toString()]; });
  add(`a query in a URL ${show(text)}`, () => { const u = new URL('http://a/'); u.search = text; return [[...u.searchParams], u.href]; });
}
add('every byte of a query', () => { let text = ''; for (let c = 0; c < 256; c++) text += String.fromCharCode(c); return new URLSearchParams({ [text]: text }).toString(); });
for (const [name, make] of Object.entries({
  'nothing': () => undefined, 'a number': () => 5, 'a record': () => ({ a: 1, b: 'x y', c: undefined }), 'an empty record': () => ({}), 'pairs': () => [['a', 1], ['a', 2]], 'no pairs': () => [], 'a pair of one': () => [['a']], 'a pair of three': () => [['a', 'b', 'c']], 'text as a pair': () => ['ab'], 'a number as a pair': () => [5],
  'a Map': () => new Map([['a', 'b'], ['c', 'd']]), 'a query': () => new URLSearchParams('a=b&a=c'), 'a generator': () => (function* () { yield ['a', 'b']; })(), 'pairs of sets': () => [new Set(['a', 'b'])], 'a symbol': () => Symbol('x'), 'a function': () => Object.assign(() => 1, { a: 'b' }), 'no iterator': () => ({ [Symbol.iterator]: 5 }), 'a null iterator': () => ({ [Symbol.iterator]: null, a: 1 }), 'a record with a symbol': () => ({ [Symbol('s')]: 1 }),
  'what is hidden': () => Object.defineProperty({ b: 1 }, 'a', { value: 1 }), 'what is inherited': () => Object.create({ a: 1 }), 'lone surrogates': () => ({ '\ud800': '\udc00' }), 'a list of texts': () => [['a', 'b'], 'cd'], 'a boxed text': () => Object('a=b'), 'true': () => true,
})) add(`a query of ${name}`, () => [...new URLSearchParams(make())]);
const q = (text, fn) => { const p = new URLSearchParams(text); const r = fn(p); return [r, p.toString(), p.size]; };
Object.assign(cases, {
  'append': () => q('a=1', (p) => { p.append('a', 2); p.append('b', null); p.append('\ud800', '\udc00'); }),
  'append needs two': () => new URLSearchParams().append('a'),
  'delete': () => q('a=1&b=2&a=3', (p) => p.delete('a')),
  'delete with a value': () => q('a=1&b=2&a=3', (p) => p.delete('a', '3')),
  'delete with undefined': () => q('a=1&b=2', (p) => p.delete('a', undefined)),
  'delete what is not there': () => q('a=1', (p) => p.delete('b')),
  'get': () => q('a=1&a=2', (p) => [p.get('a'), p.get('b'), p.get('\ud800')]),
  'getAll': () => q('a=1&b=2&a=3', (p) => [p.getAll('a'), p.getAll('c')]),
  'has': () => q('a=1&b=2', (p) => [p.has('a'), p.has('c'), p.has('a', '1'), p.has('a', '2'), p.has('a', undefined), p.has('b', 2)]),
  'set': () => q('a=1&b=2&a=3', (p) => { p.set('a', 'x'); p.set('c', 'y'); }),
  'set the only one': () => q('', (p) => p.set('a', 'b')),
  'sort': () => q('z=1&a=2&z=0&\u00e4=3&\ufffc=5&\u{1f600}=4&=6', (p) => p.sort()),
  'sort is stable': () => q('b=1&a=2&b=3&a=4&b=5', (p) => p.sort()),
  'sort many': () => q(Array.from({ length: 300 }, (_, i) => `k${(i * 7919) % 50}=${i}`).join('&'), (p) => p.sort()),
  'keys and values': () => q('a=1&b=2', (p) => [[...p.keys()], [...p.values()], [...p.entries()], [...p]]),
  'forEach': () => q('a=1&b=2', (p) => { const list = []; p.forEach(function (v, k, all) { list.push([v, k, all === p, this.x]); }, { x: 1 }); return list; }),
  'forEach needs a function': () => new URLSearchParams('a=b').forEach({}),
  'forEach sees what is taken away': () => q('a=1&b=2&c=3', (p) => { const list = []; p.forEach((v, k) => { list.push(k); p.delete('b'); }); return list; }),
  'an iterator sees what is added': () => q('a=1', (p) => { const list = []; for (const [k] of p) { list.push(k); if (list.length < 4) p.append(`x${list.length}`, ''); } return list; }),
  'an iterator sees what is taken away': () => q('a=1&b=2&c=3', (p) => { const list = []; for (const [k] of p) { list.push(k); p.delete(k); } return list; }),
  'an iterator says what it is': () => [String(new URLSearchParams().keys()), typeof new URLSearchParams().keys()[Symbol.iterator], Object.prototype.toString.call(new URLSearchParams())],
  'an iterator ends': () => { const i = new URLSearchParams('a=b').values(); return [i.next(), i.next(), i.next()]; },
  'entries are the iterator': () => URLSearchParams.prototype[Symbol.iterator] === URLSearchParams.prototype.entries,
  'size of a query': () => new URLSearchParams('a&b&c').size,
  'a query needs new': () => URLSearchParams('a'),
  'members need a query': () => ['get', 'has', 'toString', 'keys', 'sort'].map((k) => outcome(() => URLSearchParams.prototype[k].call({}, 'a'))),
  'members need their arguments': () => ['get', 'getAll', 'has', 'delete', 'set', 'append', 'forEach'].map((k) => outcome(() => new URLSearchParams()[k]())),
  'the query of a URL is always the same': () => { const u = new URL('http://a/?b'); return u.searchParams === u.searchParams; },
  'the query changes its URL': () => { const u = new URL('http://a/?b=c#d'); u.searchParams.append('e', 'f g'); u.searchParams.delete('b'); return [u.href, u.search]; },
  'an empty query leaves its URL': () => { const u = new URL('http://a/?b=c#d'); u.searchParams.delete('b'); return [u.href, u.search]; },
  'a URL changes its query': () => { const u = new URL('http://a/?b=c'), p = u.searchParams; u.search = '?x=y'; const first = [...p]; u.href = 'http://b/?z'; return [first, [...p], p === u.searchParams]; },
  'a query of another query is its own': () => { const u = new URL('http://a/?b=c'), p = new URLSearchParams(u.searchParams); p.append('d', 'e'); return [u.href, p.toString()]; },
  'a query is written anew when it changes': () => { const u = new URL('http://a/?b%20c=d%7e&%zz'); const before = u.href; u.searchParams.append('e', ''); return [before, u.href]; },
  'a query is sorted in its URL': () => { const u = new URL('http://a/?b&a'); u.searchParams.sort(); return u.href; },
  'a large query': () => { const p = new URLSearchParams(); for (let i = 0; i < 3000; i++) p.append(`k${i}`, '\u20ac'); return [p.size, p.toString().length, new URLSearchParams(p.toString()).size]; },
});

add('functions take as many arguments as elsewhere', () => [URL, URLSearchParams, URL.canParse, URLSearchParams.prototype.append, URLSearchParams.prototype.delete, URLSearchParams.prototype.get, URLSearchParams.prototype.set].map((f) => [f.name, f.length]));

export { cases };
