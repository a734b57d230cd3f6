// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/status.hpp>
#include <prefer/core/view.hpp>

#include <cstdint>
#include <type_traits>

// Views of DLPack tensors, whose element type, shape and device are known at run time only:
//
//   status import_dlpack(tensor, view, argument)
//
// `tensor` is a DLTensor, a DLManagedTensor or a DLManagedTensorVersioned of whichever dlpack.h the program uses; this
// header includes none. `view` is any view of this library; the fields of a call are the natural target, since they
// take every element type:
//
//   pair_inputs<space::host> in;
//   pair_outputs<space::host> out;
//   check(first_error(import_dlpack(*a, in.policy_chosen, "policy_chosen"), ...));
//   check(evaluate<float>(cpu{}, dpo{}, in, out));
//
// The view borrows: the caller keeps the tensor and calls its deleter afterwards. A tensor of no dimensions is one
// element of a vector. Without strides the tensor is compact and row-major, as producers before DLPack 1.2 mean it; no
// data is fine for no elements; byte_offset counts; no alignment beyond that of an element is relied on.
// Errors, and then the view is untouched:
//   bad_memory   a device that the view's space does not reach (host: 1 CPU, 3 and 11 pinned, 13 managed;
//                device: 2 CUDA, 3 pinned, 13 managed), a read-only tensor for an output, an element at an address that
//                does not suit it, another major version of DLPack
//   bad_element  a type that is not double, float, half, bfloat16, int32, int64, uint8 or an 8-bit bool, or has several
//                lanes
//   bad_extent   another number of dimensions than the view has, or a negative extent
//   bad_stride   a negative stride
//   null_data    elements but no data, or dimensions but no shape
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

constexpr status dlpack_error(errc code, const char* argument, const char* expected, double got = 0, double limit = 0) {
  status s;
  s.code = code;
  s.argument = argument;
  s.expected = expected;
  s.got = got;
  s.limit = limit;
  return s;
}

// Numbers of the DLPack standard.
enum dlpack_device : int { dl_cpu = 1, dl_cuda = 2, dl_cuda_host = 3, dl_rocm_host = 11, dl_cuda_managed = 13 };
enum dlpack_code : int { dl_int = 0, dl_uint = 1, dl_float = 2, dl_bfloat = 4, dl_complex = 5, dl_bool = 6 };
inline constexpr std::uint64_t dlpack_read_only = 1;
inline constexpr unsigned dlpack_major = 1;

constexpr bool reaches(space where, int device) {
  const bool by_host =
      device == dl_cpu || device == dl_cuda_host || device == dl_rocm_host || device == dl_cuda_managed;
  const bool by_device = device == dl_cuda || device == dl_cuda_host || device == dl_cuda_managed;
  return where == space::host ? by_host : where == space::device ? by_device : by_host || by_device;
}

constexpr const char* reachable_memory(space where) {
  return where == space::host ? "memory that the CPU reads (DLPack device 1, 3, 11 or 13), but it is on DLPack device"
         : where == space::device
             ? "memory that CUDA reads (DLPack device 2, 3 or 13), but it is on DLPack device"
             : "memory of the CPU or of CUDA (DLPack device 1, 2, 3, 11 or 13), but it is on DLPack device";
}

constexpr element element_of_dlpack(int code, int bits) {
  switch (code) {
    case dl_float:
      return bits == 64 ? element::f64 : bits == 32 ? element::f32 : bits == 16 ? element::f16 : element::none;
    case dl_bfloat: return bits == 16 ? element::bf16 : element::none;
    case dl_int: return bits == 64 ? element::i64 : bits == 32 ? element::i32 : element::none;
    case dl_uint: return bits == 8 ? element::u8 : element::none;
    case dl_bool: return bits == 8 ? element::boolean : element::none;
    default: return element::none;
  }
}

constexpr const char* wrong_element(int code) {
  switch (code) {
    case dl_int: return "int32 or int64 as signed integers, but they have another width";
    case dl_uint: return "uint8 as unsigned integers, but they have another width";
    case dl_float:
    case dl_bfloat: return "double, float, half or bfloat16, but the numbers have another width";
    case dl_complex: return "real numbers, but they are complex";
    case dl_bool: return "bool elements of one byte, but they are packed";
    default: return "double, float, half, bfloat16, int32, int64, uint8 or bool, but it is a type of another code";
  }
}

template <class Tensor>
status check_dlpack_type(const Tensor& t, const char* argument) {
  if (t.dtype.lanes != 1)
    return dlpack_error(errc::bad_element, argument, "one lane per element, but there are several");
  if (element_of_dlpack(t.dtype.code, t.dtype.bits) == element::none)
    return dlpack_error(errc::bad_element, argument, wrong_element(t.dtype.code));
  return {};
}

// Extents and strides of a tensor; those of a tensor of no dimensions are those of one element.
template <int Rank, class Tensor>
status read_dlpack_shape(const Tensor& t, const char* argument, std::int64_t (&extent)[Rank],
                         std::int64_t (&stride)[Rank]) {
  if (t.ndim != Rank && !(t.ndim == 0 && Rank == 1))
    return dlpack_error(errc::bad_extent, argument, "a tensor whose number of dimensions is", t.ndim, Rank);
  for (int r = 0; r < Rank; ++r) extent[r] = stride[r] = 1;
  if (t.ndim == 0) return {};
  if (t.shape == nullptr) return dlpack_error(errc::null_data, argument, "a shape, but it is null");
  for (int r = 0; r < Rank; ++r) {
    extent[r] = t.shape[r];
    if (extent[r] < 0) return dlpack_error(errc::bad_extent, argument, "at least", static_cast<double>(extent[r]), 0);
  }
  for (int r = Rank; r-- > 0;) {
    if (t.strides != nullptr)
      stride[r] = t.strides[r];
    else if (r + 1 < Rank && __builtin_mul_overflow(stride[r + 1], extent[r + 1], &stride[r]))
      return dlpack_error(errc::bad_extent, argument, "a product of extents below", static_cast<double>(extent[r + 1]),
                          0x1p63);
    if (extent[r] < 2 && stride[r] < 0) stride[r] = 1;  // says nothing about memory
    if (stride[r] < 0) return dlpack_error(errc::bad_stride, argument, "at least", static_cast<double>(stride[r]), 0);
  }
  return {};
}

template <int Rank, class Tensor>
status import_dlpack_tensor(const Tensor& t, space where, erased_view<false, Rank, space::any>& v,
                            const char* argument) {
  const int device = static_cast<int>(t.device.device_type);
  if (!reaches(where, device)) return dlpack_error(errc::bad_memory, argument, reachable_memory(where), device);
  if (const status s = check_dlpack_type(t, argument); !s.ok()) return s;
  erased_view<false, Rank, space::any> found;
  if (const status s = read_dlpack_shape<Rank>(t, argument, found.extent, found.stride); !s.ok()) return s;
  found.type = element_of_dlpack(t.dtype.code, t.dtype.bits);
  bool empty = false;
  for (const std::int64_t extent : found.extent) empty = empty || extent == 0;
  if (t.data == nullptr && !empty)
    return dlpack_error(errc::null_data, argument, "a pointer to its elements, but it is null");
  if (t.data != nullptr) found.data = static_cast<const char*>(t.data) + t.byte_offset;
  if (!empty && reinterpret_cast<std::uintptr_t>(found.data) % static_cast<unsigned>(size_of(found.type)) != 0)
    return dlpack_error(errc::bad_memory, argument, "an address that is a multiple of the size of an element");
  v = found;
  return {};
}

// A tensor, or the tensor inside a managed one.
template <int Rank, class Tensor>
status import_any_dlpack(const Tensor& t, space where, bool output, erased_view<false, Rank, space::any>& v,
                         const char* argument) {
  if constexpr (requires { t.version.major; }) {
    // Of another major version nothing but the deleter may be touched.
    if (t.version.major != dlpack_major)
      return dlpack_error(errc::bad_memory, argument, "a tensor of DLPack's major version 1, but it is of version",
                          t.version.major);
    if (output && (t.flags & dlpack_read_only) != 0)
      return dlpack_error(errc::bad_memory, argument, "memory that may be written, but the tensor is read-only");
  }
  if constexpr (requires { t.dl_tensor; })
    return import_dlpack_tensor(t.dl_tensor, where, v, argument);
  else
    return import_dlpack_tensor(t, where, v, argument);
}

}  // namespace detail

// Into an input or output of a call.
template <class Tensor, bool Mutable, int Rank, space S>
status import_dlpack(const Tensor& tensor, erased_view<Mutable, Rank, S>& v, const char* argument = "tensor") {
  erased_view<false, Rank, space::any> found;
  if (const status s = detail::import_any_dlpack(tensor, S, Mutable, found, argument); !s.ok()) return s;
  // The tensor's own pointer is to non-const; whether it may be written has been asked.
  v.data = const_cast<typename erased_view<Mutable, Rank, S>::pointer_type>(found.data);
  for (int r = 0; r < Rank; ++r) {
    v.extent[r] = found.extent[r];
    v.stride[r] = found.stride[r];
  }
  v.type = found.type;
  return {};
}

// Into a view whose element type is fixed: a tensor of another type is a bad_element.
template <class Tensor, class T, int Rank, space S>
status import_dlpack(const Tensor& tensor, view<T, Rank, S>& v, const char* argument = "tensor") {
  erased_view<false, Rank, space::any> found;
  if (const status s = detail::import_any_dlpack(tensor, S, !std::is_const_v<T>, found, argument); !s.ok()) return s;
  if (found.type != element_of<T>()) return detail::dlpack_error(errc::bad_element, argument, name_of(element_of<T>()));
  v.data = static_cast<T*>(const_cast<void*>(found.data));
  for (int r = 0; r < Rank; ++r) {
    v.extent[r] = found.extent[r];
    v.stride[r] = found.stride[r];
  }
  return {};
}

}  // namespace PREFER_ABI
}  // namespace prefer
