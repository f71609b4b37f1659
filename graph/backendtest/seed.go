package backendtest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// seedVariable names the environment variable that repeats a test with the
// seed from its log.
const seedVariable = "COSFIT_TEST_SEED"

// newRand returns a generator with a fresh seed, which it logs, or with the
// seed in COSFIT_TEST_SEED.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if fixed := os.Getenv(seedVariable); fixed != "" {
		var err error
		if seed, err = strconv.ParseUint(fixed, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
	}
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
