// Kernels for tests/faults.rs: one that is right, and one for each mistake.

// The sum of the values of a block, one block per 256 values.
template <bool WAITS> __device__ void block_sum(const float* values, float* sums) {
    __shared__ float shared[256];
    const unsigned i = threadIdx.x;
    shared[i] = values[blockIdx.x * 256 + i];
    for (unsigned half = 128; half > 0; half /= 2) {
        if (WAITS) __syncthreads();
        if (i < half) shared[i] += shared[i + half];
    }
    if (i == 0) sums[blockIdx.x] = shared[0];
}

extern "C" __global__ void right_sum(const float* values, float* sums) { block_sum<true>(values, sums); }
extern "C" __global__ void sum_without_barrier(const float* values, float* sums) { block_sum<false>(values, sums); }

// The sum of 32 values by warp shuffles.
extern "C" __global__ void warp_sum(const float* values, float* sum) {
    float v = values[threadIdx.x];
    for (int by = 16; by > 0; by /= 2) v += __shfl_xor_sync(0xffffffffu, v, by);
    if (threadIdx.x == 0) *sum = v;
}

// Doubles `count` values; wrong if the block has fewer.
extern "C" __global__ void twice(float* values, unsigned count) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) values[i] *= 2.0f;
}

// Reads shared memory, which no thread wrote if the block has one thread.
extern "C" __global__ void stale_shared(float* result) {
    __shared__ float shared[1];
    if (threadIdx.x == 1) shared[0] = 1.0f;
    __syncthreads();
    if (threadIdx.x == 0) *result = shared[0];
}
