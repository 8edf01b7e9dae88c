// IEEE half precision: stored in 16 bits, computed in float, rounded to nearest even.
#pragma once

struct __half {
    unsigned short bits;
    __half() = default;
    __half(float v) : bits(rounded(v)) {}
    operator float() const { return widened(bits); }

  private:
    static unsigned short rounded(float v) {
        const unsigned u = host::bits<unsigned>(v), sign = u >> 16 & 0x8000u, magnitude = u & 0x7fffffffu;
        if (magnitude > 0x7f800000u) return (unsigned short)(sign | 0x7e00u);   // NaN
        if (magnitude >= 0x477ff000u) return (unsigned short)(sign | 0x7c00u);  // rounds to 65520 or more: infinite
        if (magnitude < 0x38800000u) {
            // Below the smallest normal number 2^-14 the unit is 2^-24. `nearbyintf` rounds to even.
            return (unsigned short)(sign | (unsigned)nearbyintf(host::bits<float>(magnitude) * 16777216.0f));
        }
        const unsigned odd = magnitude >> 13 & 1;
        return (unsigned short)(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
    }
    static float widened(unsigned short b) {
        const unsigned sign = (b & 0x8000u) << 16, exponent = b >> 10 & 31, fraction = b & 0x3ffu;
        if (exponent == 31) return host::bits<float>(sign | 0x7f800000u | fraction << 13);
        if (exponent == 0) return (sign ? -1.0f : 1.0f) * (float)fraction / 16777216.0f;
        return host::bits<float>(sign | (exponent + 112) << 23 | fraction << 13);
    }
};

inline float __half2float(__half v) { return v; }
inline __half __float2half(float v) { return v; }
inline unsigned short __half_as_ushort(__half v) { return v.bits; }
inline __half __ushort_as_half(unsigned short bits) {
    __half v;
    v.bits = bits;
    return v;
}
inline bool __hisnan(__half v) { return std::isnan((float)v); }
inline __half __hmax(__half a, __half b) { return fmaxf(a, b); }
inline __half __hmin(__half a, __half b) { return fminf(a, b); }
inline __half __hmax_nan(__half a, __half b) { return __hisnan(a) ? a : __hisnan(b) ? b : __hmax(a, b); }
inline __half __hmin_nan(__half a, __half b) { return __hisnan(a) ? a : __hisnan(b) ? b : __hmin(a, b); }
