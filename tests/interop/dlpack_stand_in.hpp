// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// The system's dlpack.h where there is one, and structures of the standard's layout under the same names where there is
// none. Managed tensors with a version are newer than most installed headers and always come from here.
#if __has_include(<dlpack/dlpack.h>)
#include <dlpack/dlpack.h>
#else
struct DLDevice {
  int device_type;
  std::int32_t device_id;
};
struct DLDataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;
  std::uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(DLManagedTensor* self);
};
#endif

namespace stand_in {

struct version {
  std::uint32_t major, minor;
};
struct managed_tensor_versioned {
  stand_in::version version;
  void* manager_ctx;
  void (*deleter)(managed_tensor_versioned* self);
  std::uint64_t flags;
  DLTensor dl_tensor;
};

}  // namespace stand_in
