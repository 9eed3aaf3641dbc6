#!/usr/bin/env bash
# The same licences in PostgreSQL 15 and in the node's store, in one run: seconds, bytes, reads.
#
#   benches/postgres.sh [--records N] [--seconds S] [--program FILE]
#
# Prints one JSON object; what it is doing goes to the standard error. --seconds is the length of
# each of the six measurements of reads. The program is target/dist/licence-node, built if it is
# not there. "licenceNode" is what `licence-node bench import` says, and "licenceNodeReads" what
# `bench read` says of a node with as many licences, the second time it is run.
#
# What is compared with what. PostgreSQL gets one table with a row for each licence and the three
# ways in that our store has: by identifier, by holder and type, by type and number. The record is
# jsonb: it is then checked to be JSON when it comes in, and single fields can be asked for. The
# first holder alone is indexed. Nothing is sealed, encrypted or logged there, while our import
# validates every field, seals, encrypts, and commits to the log.
#
# The cluster is private (a temporary folder, a socket in it, no network, user postgres) and has
# the distribution's settings but for those below; fsync and synchronous_commit are on. Indexes are
# made after COPY, as the manual advises for bulk loads.
#
# Reads: pgbench with prepared statements on the socket. Each takes a random row of a table of
# 100,000 keys drawn from all licences, and joins the licence to it; so a read costs PostgreSQL one
# more look into a small table, a round trip, and the share of a core that pgbench takes.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."

RECORDS=1000000
READ_SECONDS=10
PROGRAM=target/dist/licence-node
KEYS=100000
BIN=/usr/lib/postgresql/15/bin
SETTINGS=(shared_buffers=1GB max_wal_size=4GB maintenance_work_mem=256MB jit=off)

usage() {
    echo "usage: benches/postgres.sh [--records N] [--seconds S] [--program FILE]" >&2
    exit 64
}

while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case "$1" in
        --records) RECORDS=$2 ;;
        --seconds) READ_SECONDS=$2 ;;
        --program) PROGRAM=$2 ;;
        *) usage ;;
    esac
    shift 2
done

say() { echo "postgres.sh: $*" >&2; }

if [ ! -x "$BIN/initdb" ] || [ ! -x "$BIN/pgbench" ]; then
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        say "PostgreSQL 15 is not here and cannot be installed without root and apt-get; install: postgresql-15"
        exit 1
    fi
    say "installing postgresql-15"
    # The package would start a cluster of its own.
    mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/licence-node-bench.conf
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-15 >&2
fi
if [ ! -x "$PROGRAM" ]; then
    say "building $PROGRAM"
    cargo build --profile dist --quiet
fi

WORK=$(mktemp -d)
DATA=$WORK/data
# The server refuses to run as root.
AS=()
if [ "$(id -u)" = 0 ]; then
    AS=(runuser -u postgres --)
    chown postgres "$WORK"
fi

as() { (cd "$WORK" && "${AS[@]}" "$@"); }

stop() {
    if [ -f "$DATA/postmaster.pid" ]; then as "$BIN/pg_ctl" -D "$DATA" -m "$1" -w stop >/dev/null || true; fi
}
trap 'stop immediate; rm -rf "$WORK"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

sql() { as "$BIN/psql" -h "$WORK" -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

# seconds COMMAND…   runs it and says how long it took
seconds() {
    local begun ended
    begun=$(date +%s%N)
    "$@" >&2
    ended=$(date +%s%N)
    awk -v ns=$((ended - begun)) 'BEGIN { printf "%.2f", ns / 1e9 }'
}

say "generating $RECORDS records"
"$PROGRAM" generate --records "$RECORDS" --output "$WORK/licences.jsonl"
chmod a+r "$WORK/licences.jsonl"

say "starting PostgreSQL in $WORK"
as "$BIN/initdb" -D "$DATA" --auth=trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null
{
    printf '%s\n' "${SETTINGS[@]}"
    echo "listen_addresses = ''"
    echo "unix_socket_directories = '$WORK'"
} >>"$DATA/postgresql.conf"
as "$BIN/pg_ctl" -D "$DATA" -l "$WORK/log" -w start >/dev/null

# The columns are taken out of the lines before anything is measured, in a database that goes away.
say "preparing the rows"
sql -d postgres -c "CREATE DATABASE prepare"
sql -d prepare <<SQL
CREATE UNLOGGED TABLE line (record jsonb);
COPY line FROM '$WORK/licences.jsonl' WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02');
CREATE FUNCTION first_of(value jsonb) RETURNS text IMMUTABLE LANGUAGE sql AS
    \$\$ SELECT CASE jsonb_typeof(value) WHEN 'array' THEN value->>0 ELSE value#>>'{}' END \$\$;
COPY (
    SELECT record->>'certificateIdentifier', record->>'certificateTypeCode',
        first_of(record->'certificateHolderTypeCode'), first_of(record->'certificateHolderCode'),
        record->>'certificateNumber', record
    FROM line
) TO '$WORK/rows.tsv';
SQL
sql -d postgres -c "DROP DATABASE prepare"
rm "$WORK/licences.jsonl"
sql -d postgres -c "CREATE DATABASE bench"
bench() { sql -d bench "$@"; }
bench -c "CREATE TABLE licence (identifier text NOT NULL, type_code text NOT NULL, holder_code_type text NOT NULL,
    holder_code text NOT NULL, number text NOT NULL, record jsonb NOT NULL)"
bench -c "CHECKPOINT"

say "loading"
COPY_SECONDS=$(seconds bench -c "COPY licence FROM '$WORK/rows.tsv'")
INDEX_SECONDS=$(seconds bench -c "CREATE UNIQUE INDEX by_identifier ON licence (identifier)" \
    -c "CREATE INDEX by_holder ON licence (holder_code_type, holder_code, type_code)" \
    -c "CREATE INDEX by_number ON licence (type_code, number)")
CHECKPOINT_SECONDS=$(seconds bench -c "CHECKPOINT")
# Sizes before the keys come in.
TABLE_BYTES=$(bench -c "SELECT pg_table_size('licence')")
INDEX_BYTES=$(bench -c "SELECT pg_indexes_size('licence')")
TOTAL_BYTES=$(bench -c "SELECT pg_total_relation_size('licence')")
WAL_BYTES=$(du -sb "$DATA/pg_wal" | cut -f1)
FOLDER_BYTES=$(du -sb "$DATA" | cut -f1)
FOUND=$(bench -c "SELECT count(*) FROM licence")
if [ "$FOUND" != "$RECORDS" ]; then
    say "$FOUND rows instead of $RECORDS"
    exit 1
fi

# After a bulk load the planner's figures and the visibility map are made; not counted as loading.
VACUUM_SECONDS=$(seconds bench -c "VACUUM ANALYZE licence")
bench <<SQL
CREATE TABLE key AS
    SELECT row_number() OVER () AS n, * FROM (
        SELECT identifier, type_code, holder_code_type, holder_code, number FROM licence ORDER BY random() LIMIT $KEYS
    ) AS drawn;
ALTER TABLE key ADD PRIMARY KEY (n);
VACUUM ANALYZE key;
SQL
KEYS=$(bench -c "SELECT count(*) FROM key")

# rate NAME CLIENTS CONDITION   reads a second
rate() {
    local script="$WORK/$1.sql"
    cat >"$script" <<SQL
\set n random(1, $KEYS)
SELECT licence.record FROM key JOIN licence ON $3 WHERE key.n = :n;
SQL
    chmod a+r "$script"
    as "$BIN/pgbench" -h "$WORK" -n -M prepared -c "$2" -j "$2" -T "$READ_SECONDS" -f "$script" bench |
        awk '/^tps/ { printf "%.0f", $3; found = 1 } END { exit !found }'
}
reads() {
    local one two
    say "reading by $1"
    one=$(rate "$1" 1 "$2")
    two=$(rate "$1" 2 "$2")
    printf '"%s": {"clients1": %s, "clients2": %s}' "$1" "$one" "$two"
}
READS=$(reads identifier "licence.identifier = key.identifier")
READS+=", $(reads holder "licence.holder_code_type = key.holder_code_type AND licence.holder_code = key.holder_code")"
READS+=", $(reads number "licence.type_code = key.type_code AND licence.number = key.number")"
VERSION=$(bench -c "SHOW server_version")
stop fast
rm -rf "$DATA" "$WORK/rows.tsv"

# Ours with the machine to itself, too.
say "the same number of records in our store"
OURS=$("$PROGRAM" bench import --records "$RECORDS" --json)
say "reading from our store"
"$PROGRAM" init --region 120000 --dir "$WORK/node" >/dev/null
"$PROGRAM" generate --records "$RECORDS" --seed 1 --output "$WORK/records.jsonl"
"$PROGRAM" import "$WORK/records.jsonl" --config "$WORK/node/node.toml" --refused "$WORK/refused" >/dev/null
rm "$WORK/records.jsonl"
our_reads() { "$PROGRAM" bench read --config "$WORK/node/node.toml" --records "$RECORDS" --seconds "$1" --json; }
our_reads 2 >/dev/null
OUR_READS=$(our_reads "$READ_SECONDS")

TOTAL_SECONDS=$(awk -v a="$COPY_SECONDS" -v b="$INDEX_SECONDS" -v c="$CHECKPOINT_SECONDS" 'BEGIN { printf "%.2f", a + b + c }')
cat <<JSON
{
  "bench": "postgres",
  "records": $RECORDS,
  "postgres": {
    "version": "$VERSION",
    "settings": "${SETTINGS[*]}",
    "seconds": {"copy": $COPY_SECONDS, "indexes": $INDEX_SECONDS, "checkpoint": $CHECKPOINT_SECONDS, "total": $TOTAL_SECONDS, "vacuumAnalyze": $VACUUM_SECONDS},
    "bytes": {"table": $TABLE_BYTES, "indexes": $INDEX_BYTES, "total": $TOTAL_BYTES, "folder": $FOLDER_BYTES, "folderWithoutWal": $((FOLDER_BYTES - WAL_BYTES))},
    "readsPerSecond": {$READS}
  },
  "licenceNode": $OURS,
  "licenceNodeReads": $OUR_READS
}
JSON
