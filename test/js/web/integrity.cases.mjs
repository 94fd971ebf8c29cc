// Integrity of what fetch gets; of the text 'said', where nothing else is said.
export { server } from './fetch.cases.mjs';

const at = (path) => globalThis.SERVER + path;
const fails = async (promise) => {
  try {
    await promise;
    return 'done';
  } catch (error) {
    return `${error?.name ?? error}`;
  }
};

export const cases = {
  ...Object.fromEntries([
    '', 'sha256-+0bHm363rxdfSTdVtJGvqbJVdKkjC4gixinyJKLfTlg=', 'sha384-E51onNgVsMDB9UmxoqfOVEhhD3WtV2mlHUmSjoaqHeyQ8oKW0Zw+lZwgkhScjyEy', 'sha512-zCKum7vedkxO9KkvYGcEJBsOr3Qfc2dZTWSHxEQrUSbubc7WN+32yhOuKxhEA5S0U6t28NFTJ9OBRdAlRI+mig==', 'SHA256-+0bHm363rxdfSTdVtJGvqbJVdKkjC4gixinyJKLfTlg=', ' sha256-+0bHm363rxdfSTdVtJGvqbJVdKkjC4gixinyJKLfTlg= ',
    'sha256-AAAA', 'sha384-AAAA', 'sha512-AAAA', 'sha256-AAAA sha256-+0bHm363rxdfSTdVtJGvqbJVdKkjC4gixinyJKLfTlg=', 'sha256-AAAA sha512-zCKum7vedkxO9KkvYGcEJBsOr3Qfc2dZTWSHxEQrUSbubc7WN+32yhOuKxhEA5S0U6t28NFTJ9OBRdAlRI+mig==', 'sha256-+0bHm363rxdfSTdVtJGvqbJVdKkjC4gixinyJKLfTlg= sha512-AAAA',
    'sha512-zCKum7vedkxO9KkvYGcEJBsOr3Qfc2dZTWSHxEQrUSbubc7WN+32yhOuKxhEA5S0U6t28NFTJ9OBRdAlRI+mig== sha256-AAAA', 'md5-AAAA', 'nothing known', 'sha1-AAAA md5-AAAA', 'sha256-+0bHm363rxdfSTdVtJGvqbJVdKkjC4gixinyJKLfTlg=\tsha256-AAAA', 'sha256-' + '+0bhm363rxdfstdvtjgvqbjvdkkjc4gixinyjklftlg=',
    'sha512-zCKum7vedkxO9KkvYGcEJBsOr3Qfc2dZTWSHxEQrUSbubc7WN-32yhOuKxhEA5S0U6t28NFTJ9OBRdAlRI-mig==',
  ].map((integrity, i) => [`integrity ${i}`, () => fails(fetch(at('/status?code=200'), { integrity }).then(async (r) => { if (await r.text() !== 'said') throw 'other'; }))])),
  'integrity of what has no body': () => fails(fetch(at('/status?code=204'), { integrity: 'sha256-AAAA' })),
  'integrity of HEAD': () => fails(fetch(at('/status?code=200'), { method: 'HEAD', integrity: 'sha256-+0bHm363rxdfSTdVtJGvqbJVdKkjC4gixinyJKLfTlg=' })),
  'integrity after a redirect': async () => [await fails(fetch(at('/to?code=302&at=/status%3Fcode=200'), { integrity: 'sha256-+0bHm363rxdfSTdVtJGvqbJVdKkjC4gixinyJKLfTlg=' })),
    await fails(fetch(at('/to?code=302&at=/echo'), { integrity: 'sha256-+0bHm363rxdfSTdVtJGvqbJVdKkjC4gixinyJKLfTlg=' }))],
  'integrity of a Request': () => fails(fetch(new Request(at('/echo'), { integrity: 'sha256-+0bHm363rxdfSTdVtJGvqbJVdKkjC4gixinyJKLfTlg=' }))),
  'integrity of what breaks off': () => fails(fetch(at('/break'), { integrity: 'sha256-+0bHm363rxdfSTdVtJGvqbJVdKkjC4gixinyJKLfTlg=' })),
  'integrity of what never comes': () => fails(fetch(at('/never'), { integrity: 'sha256-+0bHm363rxdfSTdVtJGvqbJVdKkjC4gixinyJKLfTlg=', signal: AbortSignal.timeout(10) })),
  'integrity of parts': async () => (await fetch(at('/parts'), { integrity: 'sha256-irY+KaS6FOThaI+cFeWvkIlUITWMlFsEMfhdZpd709I=' })).text(),
  'integrity of much': async () => {
    const body = 'x'.repeat(4_000_000), to = at('/much');
    return [await fails(fetch(to, { method: 'POST', body, integrity: 'sha256-AAAA' })),
      (await (await fetch(to, { method: 'POST', body, integrity: 'sha512-C42I9BppM2x30XZ2O18D3tdykOl0SFN12oD/j600WsY5mb+HRLSelKqHN33rGrfPvS8h4jbgIMV8u53HE6VVjw==' })).text()).length];
  },
  'integrity of a data URL': async () => [await fails(fetch('data:,said', { integrity: 'sha256-+0bHm363rxdfSTdVtJGvqbJVdKkjC4gixinyJKLfTlg=' })), await fails(fetch('data:,other', { integrity: 'sha256-+0bHm363rxdfSTdVtJGvqbJVdKkjC4gixinyJKLfTlg=' }))],
};
