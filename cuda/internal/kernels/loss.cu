// The mean loss of cosines s [n], its derivative ds [n], and that by the
// parameters, dtheta [PARAMETERS], by one block.
extern "C" __global__ void __launch_bounds__(1024) run_loss(const job *__restrict__ batch, const float *__restrict__ s, const float *__restrict__ theta,
                                                             float *__restrict__ ds, float *__restrict__ dtheta, float *__restrict__ mean, int n) {
	float value, by[PARAMETERS + 1];
	loss(scored{s, batch->labels, batch->groups, batch->low, n, theta, by}, ds, &value);
	if (threadIdx.x) return;
	*mean = value;
	for (int i = 0; i < PARAMETERS; i++) dtheta[i] = by[i];
}
