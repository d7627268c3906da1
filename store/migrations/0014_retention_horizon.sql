-- Up to when the hub believes that time has passed, as far as forgetting goes. It follows the clock
-- at a bounded pace, so that a clock that jumps ahead does not throw away what is young. One row.
CREATE TABLE retention_horizon (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    reached timestamptz NOT NULL
) WITH (fillfactor = 10);

-- What was committed last is a better witness than the clock of the machine that was upgraded. Where
-- nothing was, there is nothing to lose: the first round of tidying begins at its own time.
INSERT INTO retention_horizon (reached)
SELECT least(now(), committed_at) FROM batch ORDER BY id DESC LIMIT 1;
