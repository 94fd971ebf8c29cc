// Blob, File (File API) and FormData (XMLHttpRequest Standard).
//
// Other modules find in `web.blob` what scripts have no access to:
//   is(value), isFile(value), isForm(value)
//   bytes(blob), type(blob)             what it holds, which must not be changed; the text of its type
//   make(bytes, type)                   a Blob of bytes that are given away; a valid type in lower case
//   stream(bytes)                       the state of a stream of bytes (web.streams) of copies of them
//   encodeForm(form)                    {bytes, boundary}: multipart/form-data
//   parseForm(bytes, boundary)          a FormData; throws a TypeError
//   makeForm(pairs)                     a FormData of pairs of a name and a string or File
import { Blob, File, blobBytes, blobType, copyBlob, env, isBlob, isFile, makeBlob, streamOfBytes } from './blob/blob.js';
import { FormData, encodeForm, isForm, makeForm, parseForm } from './blob/form.js';

export default function (web) {
  env.streams = web.streams;
  web.blob = {
    is: isBlob, isFile, isForm, bytes: blobBytes, type: blobType, make: makeBlob, stream: streamOfBytes, encodeForm, parseForm, makeForm,
  };
  web.cloneable({ is: isBlob, copy: copyBlob });
  web.define({ Blob, File, FormData });
}
