// Weights: batch norm folded in for inference, and grouped weights as a matrix with zeros between the groups.
#pragma once
#include "sums.cuh"

// folded = weights * scale and folded_bias = (bias - mean) * scale + beta, for `rows` rows of `channels` outputs.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_fold(const float* weights, float* folded, int rows, const float* gamma, const float* beta, const float* mean, const float* var, float eps, const float* bias, float* folded_bias, int channels) {
    const int c = blockIdx.y * COLUMNS + threadIdx.x % COLUMNS;
    if (c >= channels) return;
    const double scale = (double)gamma[c] * inverse_deviation(var[c], eps);
    const int lane = threadIdx.x / COLUMNS;
    if (blockIdx.x == 0 && lane == 0) {
        const double old = bias ? (double)bias[c] : 0.0;
        folded_bias[c] = (float)((old - (double)mean[c]) * scale + (double)beta[c]);
    }
    for (size_t row = (size_t)blockIdx.x * LANES + lane; row < rows; row += (size_t)gridDim.x * LANES) {
        folded[row * channels + c] = weights[row * channels + c] * (float)scale;
    }
}

// The matrix [tap][in][out] of grouped weights [tap][in of the group][out]. `logical` has the number of each physical
// input, then of each physical output; -1 is padding.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_spread(const float* from, float* to, const int* logical, int taps, int width_in, int width_out, int ins, int outs) {
    for (size_t i = first_value(); i < (size_t)taps * width_in * width_out; i += value_step()) {
        const int out = (int)(i % width_out), in = (int)(i / width_out % width_in), tap = (int)(i / width_out / width_in);
        const int o = logical[width_in + out], c = logical[in];
        const bool inside = o >= 0 && c >= 0 && c / ins == o / outs;
        to[i] = inside ? from[((size_t)tap * ins + c % ins) * width_out + out] : 0.0f;
    }
}

// Adds the blocks of a matrix to grouped weights. `physical` has the position of each logical input, then the number of
// each physical output.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_collect(const float* from, float* to, const int* physical, int inputs, int taps, int width_in, int width_out, int ins, int outs) {
    for (size_t i = first_value(); i < (size_t)taps * ins * width_out; i += value_step()) {
        const int out = (int)(i % width_out), c = (int)(i / width_out % ins), tap = (int)(i / width_out / ins);
        const int o = physical[inputs + out];
        if (o < 0) continue;
        to[i] += from[((size_t)tap * width_in + physical[o / outs * ins + c]) * width_out + out];
    }
}
