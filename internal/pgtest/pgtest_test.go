package pgtest

import (
	"database/sql"
	"testing"
)

// What was committed is there after a stop.
func TestServer(t *testing.T) {
	server := Start(t)
	address := server.Database(t)
	if other := server.Database(t); other == address {
		t.Fatal("one database twice")
	}
	write, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	if _, err := write.Exec("CREATE TABLE one AS SELECT 1 AS x"); err != nil {
		t.Fatal(err)
	}
	server.Stop(t)
	if err := write.Ping(); err == nil {
		t.Fatal("a server that was stopped answers")
	}
	server.Resume(t)
	var x int
	if err := write.QueryRow("SELECT x FROM one").Scan(&x); err != nil || x != 1 {
		t.Fatalf("%d, %v", x, err)
	}
}
