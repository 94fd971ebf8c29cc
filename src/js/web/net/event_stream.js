// The parser of text/event-stream (HTML Standard, 9.2.6). Text goes in as it comes; `tell` hears {type, data, id} of each event, `retry`
// the milliseconds of a field of that name. feed() says whether no event is longer than `most` characters so far.
export function eventStream(most, tell, retry) {
  let line = '', data = '', type = '', id = '', lastId = '', any = false, returned = false;

  function field(name, value) {
    switch (name) {
      case 'event': type = value; break;
      case 'data':
        data += `${value}\n`;
        any = true;
        break;
      case 'id': if (!value.includes('\0')) id = value; break;
      case 'retry': if (/^[0-9]+$/.test(value)) retry(Number(value)); break;
    }
  }
  function end() {
    const event = any ? { type: type === '' ? 'message' : type, data: data.slice(0, -1), id } : undefined;
    data = type = '';
    any = false;
    lastId = id; // it counts for the next connection even where there is no event
    if (event !== undefined) tell(event);
  }
  function take(text) {
    if (text === '') return end();
    const colon = text.indexOf(':');
    if (colon === 0) return;
    if (colon < 0) return field(text, '');
    field(text.slice(0, colon), text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1));
  }
  return {
    get id() { return lastId; },
    set id(value) { id = lastId = value; },
    feed(text) {
      let from = 0;
      if (returned && text !== '') {
        if (text[0] === '\n') from = 1;
        returned = false;
      }
      for (let i = from; i < text.length; i++) {
        const unit = text.charCodeAt(i);
        if (unit !== 10 && unit !== 13) continue;
        const whole = line + text.slice(from, i);
        line = '';
        if (unit === 13 && i + 1 === text.length) returned = true;
        else if (unit === 13 && text.charCodeAt(i + 1) === 10) i++;
        from = i + 1;
        take(whole);
        if (data.length > most) return false;
      }
      line += text.slice(from);
      return line.length + data.length <= most;
    },
  };
}
