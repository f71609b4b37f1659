//go:build gpu && linux

package kernels

// The shapes of launches.
const (
	elementThreads    = 256  // of a block, where a thread has four neighbouring numbers
	lossThreads       = 1024 // of the one block that computes a loss
	contrastThreads   = 256  // for a pair and all that it is compared with
	diagonalColumns   = 32   // that a block sums
	diagonalThreads   = 1024
	similarityTile    = 128 // rows and columns of the result that a block computes
	similarityThreads = 256
	maxGridY          = 65535   // CUDA's limit of blocks in the second direction
	maxWork           = 1 << 31 // threads of a launch that a kernel can count in 32 bits
)

// blocks is how many blocks have that many threads.
func blocks(threads int) int { return (threads + elementThreads - 1) / elementThreads }

// rowThreads is the block for a row of k numbers, or for a pair of them: one
// warp while that gives each thread at most two vectors of four, else four.
func rowThreads(k int) int {
	if k <= 256 {
		return 32
	}
	return 128
}
