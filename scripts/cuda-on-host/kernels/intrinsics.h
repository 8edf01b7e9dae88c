// Arithmetic functions of CUDA C++, with the host's arithmetic: results differ from a GPU's in the last bits.
#pragma once

// A vector access must be aligned to the vector, as on a GPU.
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

// CUDA's `min` and `max` take two types.
template <class A, class B> std::common_type_t<A, B> min(A a, B b) {
    using T = std::common_type_t<A, B>;
    // Of a number and a NaN, CUDA returns the number.
    if constexpr (std::is_floating_point_v<T>) return std::fmin(T(a), T(b));
    return T(b) < T(a) ? T(b) : T(a);
}
template <class A, class B> std::common_type_t<A, B> max(A a, B b) {
    using T = std::common_type_t<A, B>;
    if constexpr (std::is_floating_point_v<T>) return std::fmax(T(a), T(b));
    return T(a) < T(b) ? T(b) : T(a);
}

inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float a) { return expf(a); }
inline float __logf(float a) { return logf(a); }
inline float rsqrtf(float a) { return 1.0f / sqrtf(a); }
inline double rsqrt(double a) { return 1.0 / sqrt(a); }
// The distribution function of the normal distribution; the factor is 1 / sqrt(2).
inline float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678f); }
inline double normcdf(double x) { return 0.5 * erfc(-x * 0.7071067811865476); }
inline float __saturatef(float a) { return fminf(fmaxf(a, 0.0f), 1.0f); }

namespace host {
template <class To, class From> To bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}
}  // namespace host

inline unsigned __float_as_uint(float v) { return host::bits<unsigned>(v); }
inline int __float_as_int(float v) { return host::bits<int>(v); }
inline float __uint_as_float(unsigned v) { return host::bits<float>(v); }
inline float __int_as_float(int v) { return host::bits<float>(v); }
inline long long __double_as_longlong(double v) { return host::bits<long long>(v); }
inline double __longlong_as_double(long long v) { return host::bits<double>(v); }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __clz(int v) { return v == 0 ? 32 : __builtin_clz((unsigned)v); }
inline int __ffs(int v) { return __builtin_ffs(v); }
template <class T> T __ldg(const T* at) { return *at; }
