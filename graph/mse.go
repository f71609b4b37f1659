package graph

// MSE is the mean squared error of the cosine: L = mean (s_i − y_i)². It pulls
// similar pairs to a cosine of 1 and dissimilar ones to the lower end of the
// label range. Source: the OpenAI cookbook's "Customizing embeddings".
type MSE struct{}

var _ DeviceLoss = MSE{}

// Name returns "mse".
func (MSE) Name() string { return "mse" }

// Evaluate writes dL/ds_i = 2·(s_i − y_i)/B.
func (MSE) Evaluate(b Scored, gradient []float32) float64 {
	sum, n := 0.0, float64(len(b.Cosines))
	for i, s := range b.Cosines {
		diff := float64(s) - float64(b.Labels[i])
		sum += diff * diff
		gradient[i] = float32(2 * diff / n)
	}
	return sum / n
}

// CUDA is Evaluate for a GPU.
func (MSE) CUDA() string {
	return `
__device__ void loss(scored b, float *ds, float *mean) {
	float sum = 0;
	each(i, b.n) {
		float diff = b.s[i] - b.y[i];
		sum += diff * diff;
		ds[i] = 2 * diff / b.n;
	}
	sum = block_sum(sum);
	*mean = sum / b.n;
}`
}
