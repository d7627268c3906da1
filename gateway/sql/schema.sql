-- What a gateway remembers, in one SQLite file, so that what belongs together commits together.
-- Times are UTC milliseconds of the gateway's clock.

CREATE TABLE IF NOT EXISTS message (
    id integer PRIMARY KEY AUTOINCREMENT,
    boot integer NOT NULL,
    seq integer NOT NULL,
    kind text NOT NULL,
    priority integer NOT NULL,
    payload blob NOT NULL,
    digest blob NOT NULL,                     -- of boot, seq, kind and payload
    created integer NOT NULL,
    tries integer NOT NULL DEFAULT 0,         -- counted for events only
    UNIQUE (boot, seq)
) STRICT;
CREATE INDEX IF NOT EXISTS message_order ON message (priority, created, id);

-- Records whose digest does not match: kept for whoever wants to know, never sent.
CREATE TABLE IF NOT EXISTS quarantine (
    id integer PRIMARY KEY, boot integer, seq integer, kind text, payload blob, digest blob,
    created integer, found integer
) STRICT;

-- What the hub refused for good, with its reason.
CREATE TABLE IF NOT EXISTS reject (
    boot integer NOT NULL, seq integer NOT NULL, kind text NOT NULL, payload blob NOT NULL,
    code text, path text, msg text, at integer NOT NULL,
    PRIMARY KEY (boot, seq)
) STRICT;

-- Named numbers and texts: connect counter, dropped messages, plan revision, language.
CREATE TABLE IF NOT EXISTS fact (name text PRIMARY KEY, value any) STRICT, WITHOUT ROWID;

-- Every record ever taken from a meter, `times` counting equal frames.
CREATE TABLE IF NOT EXISTS seen (
    dev text NOT NULL, raw blob NOT NULL, minute text NOT NULL, times integer NOT NULL,
    last integer NOT NULL,
    PRIMARY KEY (dev, raw)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_minute ON seen (dev, minute);

-- The meter's memory as last read: frames by slot, and its records oldest first.
CREATE TABLE IF NOT EXISTS memory (
    dev text PRIMARY KEY, frames blob NOT NULL, records blob NOT NULL, read_at integer NOT NULL
) STRICT, WITHOUT ROWID;

-- One prompt per dose, whatever is delivered how often: the state of each dose by its own id.
CREATE TABLE IF NOT EXISTS dose (
    id text PRIMARY KEY,
    rid text NOT NULL,
    rev integer NOT NULL,                     -- the last revision that held it; 0: a reminder
    due integer NOT NULL,
    opens integer NOT NULL,
    closes integer NOT NULL,
    item blob NOT NULL,                       -- texts, snoozing, whose it is
    known integer NOT NULL,                   -- since when this gateway knows it
    shown integer,
    snoozes integer NOT NULL DEFAULT 0,
    snoozed_until integer,
    outcome text,
    outcome_at integer,
    noticed integer NOT NULL DEFAULT 0,       -- the person has closed the notice of a missed dose
    withdrawn integer NOT NULL DEFAULT 0      -- a revision took it away: it does not ring
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS dose_due ON dose (due);

CREATE TABLE IF NOT EXISTS command (
    id text PRIMARY KEY,
    op text NOT NULL,
    args blob NOT NULL,
    received integer NOT NULL,
    deadline integer NOT NULL,
    st text NOT NULL,
    out blob NOT NULL,
    ses text,
    msg text,
    boot integer,                             -- the message that answers it; `ok` once the hub
    seq integer                               -- has receipted that one
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS help_call (
    id text PRIMARY KEY,
    at integer NOT NULL,
    boot integer NOT NULL,
    seq integer NOT NULL,
    stage text NOT NULL,                      -- sent, accepted, notified, answered, closed
    say blob,
    cancelled integer NOT NULL DEFAULT 0,
    dismissed integer NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
