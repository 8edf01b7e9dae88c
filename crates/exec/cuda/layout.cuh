// Between NCHW arrays of the host and padded NHWC tensors.
#pragma once
#include "values.cuh"

// `logical` has the channel of the array for each channel of the tensor; -1 is padding and becomes 0.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_from_nchw(const float* from, Rows to, const int* logical, int pixels, int plane, int channels, int width) {
    for (size_t i = first_value(); i < (size_t)pixels * width; i += value_step()) {
        const size_t p = i / width, image = p / plane;
        const int at = (int)(i % width), c = logical[at];
        to.store(to.place(p, at), c < 0 ? 0.0f : from[(image * channels + c) * plane + p % plane]);
    }
}

// The same for images of 8 bits, which become 0..=1.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_from_bytes(const unsigned char* from, Rows to, const int* logical, int pixels, int plane, int channels, int width) {
    for (size_t i = first_value(); i < (size_t)pixels * width; i += value_step()) {
        const size_t p = i / width, image = p / plane;
        const int at = (int)(i % width), c = logical[at];
        to.store(to.place(p, at), c < 0 ? 0.0f : (float)from[(image * channels + c) * plane + p % plane] / 255.0f);
    }
}

// `physical` has the channel of the tensor for each channel of the array.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_to_nchw(Rows from, float* to, const int* physical, int pixels, int plane, int channels) {
    for (size_t i = first_value(); i < (size_t)pixels * channels; i += value_step()) {
        const size_t image = i / plane / channels;
        const int c = (int)(i / plane % channels);
        to[i] = from.load(from.place(image * plane + i % plane, physical[c]));
    }
}
