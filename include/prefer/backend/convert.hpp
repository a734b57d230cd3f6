// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/element.hpp>

#include <cstdint>
#include <type_traits>

// Elements of any storage type as numbers of the compute type, and back.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

PREFER_HD float widen(float x) { return x; }
PREFER_HD double widen(double x) { return x; }
PREFER_HD float widen(half x) { return to_float(x); }
PREFER_HD float widen(bfloat16 x) { return to_float(x); }
PREFER_HD std::int64_t widen(std::int64_t x) { return x; }
PREFER_HD std::int32_t widen(std::int32_t x) { return x; }
PREFER_HD std::int32_t widen(std::uint8_t x) { return x; }
PREFER_HD std::int32_t widen(bool x) { return x; }

template <class S>
struct narrow {
  template <class T>
  static PREFER_HD S from(T x) {
    return static_cast<S>(x);
  }
};
template <>
struct narrow<half> {
  template <class T>
  static PREFER_HD half from(T x) {
    return to_half(static_cast<float>(x));
  }
};
template <>
struct narrow<bfloat16> {
  template <class T>
  static PREFER_HD bfloat16 from(T x) {
    return to_bfloat16(static_cast<float>(x));
  }
};

// S, or const S where Data is const.
template <class Data, class S>
using like = std::conditional_t<std::is_const_v<Data>, const S, S>;

// Callers on the host pass host functions: nvcc is told not to mind (the pragma).

// Calls f(static_cast<const S*>(data)) with the storage type S that the tag names.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
template <class F>
PREFER_HD void with_elements(const void* data, element type, F f) {
  switch (type) {
    case element::f64: return f(static_cast<const double*>(data));
    case element::f32: return f(static_cast<const float*>(data));
    case element::f16: return f(static_cast<const half*>(data));
    case element::bf16: return f(static_cast<const bfloat16*>(data));
    case element::i64: return f(static_cast<const std::int64_t*>(data));
    case element::i32: return f(static_cast<const std::int32_t*>(data));
    case element::u8:
    case element::boolean: return f(static_cast<const std::uint8_t*>(data));
    case element::none: return;
  }
}

// The same of what is floating-point, as outputs are: `data` is void* or const void*, and so is what f is called with.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
template <class Data, class F>
PREFER_HD void with_numbers(Data* data, element type, F f) {
  switch (type) {
    case element::f64: return f(static_cast<like<Data, double>*>(data));
    case element::f32: return f(static_cast<like<Data, float>*>(data));
    case element::f16: return f(static_cast<like<Data, half>*>(data));
    case element::bf16: return f(static_cast<like<Data, bfloat16>*>(data));
    default: return;
  }
}

template <class T>
PREFER_HD T load_element(const void* data, element type, std::int64_t at) {
  T x{};
  with_elements(data, type, [&](const auto* p) PREFER_HD_LAMBDA { x = static_cast<T>(widen(p[at])); });
  return x;
}

PREFER_HD std::int64_t load_index(const void* data, element type, std::int64_t at) {
  return type == element::i64 ? static_cast<const std::int64_t*>(data)[at]
                              : static_cast<std::int64_t>(static_cast<const std::int32_t*>(data)[at]);
}

PREFER_HD void store_index(void* data, element type, std::int64_t at, std::int64_t x) {
  if (type == element::i64)
    static_cast<std::int64_t*>(data)[at] = x;
  else
    static_cast<std::int32_t*>(data)[at] = static_cast<std::int32_t>(x);
}

// Stores x, or adds it to what is there.
template <class T>
PREFER_HD void store_element(void* data, element type, std::int64_t at, T x, bool accumulate) {
  with_numbers(data, type, [&](auto* p) PREFER_HD_LAMBDA {
    using S = std::remove_pointer_t<decltype(p)>;
    const T before = accumulate ? static_cast<T>(widen(p[at])) : T(0);
    p[at] = narrow<S>::from(accumulate ? before + x : x);
  });
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
