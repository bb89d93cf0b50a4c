#include "trainer/torch/files/tensor_file.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/scalar_tensor.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "schema/base/error.h"
#include "tests/support/referee.h"

namespace sarsweep::trainer {
namespace {

using tests::TemporaryFolder;

TEST(TensorFile, ConvertsFloatingTensorsAndKeepsOthers) {
  const TemporaryFolder folder;
  const at::Tensor values = at::arange(6, at::kFloat).reshape({2, 3});
  const at::Tensor ids = at::arange(4, at::kLong);
  save_tensors(folder / "x", {{"values", values.t()}, {"ids", ids}}, DType::bf16, {{"k", "v"}});
  const NamedTensors loaded = load_tensors(folder / "x");
  ASSERT_EQ(loaded.size(), 2u);
  EXPECT_EQ(loaded[0].first, "ids");
  EXPECT_TRUE(at::equal(loaded[0].second, ids));
  EXPECT_EQ(loaded[1].second.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::equal(loaded[1].second.to(at::kFloat), values.t()));
}

TEST(TensorFile, KeepsEveryTypeWithoutADtype) {
  const TemporaryFolder folder;
  NamedTensors tensors;
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32,
                            DType::i16, DType::i8, DType::u8, DType::boolean, DType::u64,
                            DType::u32, DType::u16, DType::c64, DType::f8_e5m2, DType::f8_e4m3}) {
    tensors.emplace_back(std::string(to_string(dtype)), at::arange(2).to(scalar_type(dtype)));
  }
  tensors.emplace_back("scalar", at::scalar_tensor(2.5, at::kDouble));
  tensors.emplace_back("empty", at::empty({0, 3}));
  save_tensors(folder / "x", tensors);
  const SafetensorsFile file(folder / "x");
  for (const auto& [name, tensor] : tensors) {
    const TensorEntry* entry = file.find(name);
    ASSERT_NE(entry, nullptr) << name;
    EXPECT_EQ(entry->dtype, dtype_of(tensor.scalar_type())) << name;
    EXPECT_TRUE(at::equal(read_tensor(file, *entry), tensor)) << name;
  }
}

TEST(TensorFile, OwnsWhatItLoads) {
  const TemporaryFolder folder;
  save_tensors(folder / "x", {{"a", at::arange(3, at::kFloat)}});
  const NamedTensors first = load_tensors(folder / "x");
  first[0].second.fill_(7);
  EXPECT_TRUE(at::equal(load_tensors(folder / "x")[0].second, at::arange(3, at::kFloat)));
}

// Old files pad nothing: the data of a float32 tensor may begin at an odd address.
TEST(TensorFile, ReadsDataThatIsNotAligned) {
  const TemporaryFolder folder;
  const std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} )";
  std::uint64_t length = header.size();
  if (length % 2 == 0) ++length;
  const float value = 1.25F;
  std::ofstream out(folder / "x", std::ios::binary);
  out.write(reinterpret_cast<const char*>(&length), 8);
  out << header << std::string(length - header.size(), ' ');
  out.write(reinterpret_cast<const char*>(&value), 4);
  out.close();
  EXPECT_EQ(load_tensors(folder / "x").at(0).second.item<float>(), value);
}

TEST(TensorFile, ViewsStayValidWithoutTheFile) {
  const TemporaryFolder folder;
  save_tensors(folder / "x", {{"a", at::arange(300, at::kFloat).view({3, 100})}});
  at::Tensor view;
  {
    const SafetensorsFile file(folder / "x");
    view = view_tensor(file, file.entries().at(0));
  }
  EXPECT_TRUE(at::equal(view, at::arange(300, at::kFloat).view({3, 100})));
  EXPECT_TRUE(at::equal(view.t().narrow(0, 1, 2).contiguous(),
                        at::arange(300, at::kFloat).view({3, 100}).t().narrow(0, 1, 2)));
}

TEST(TensorFile, RefusesTypesTheFormatLacks) {
  const TemporaryFolder folder;
  EXPECT_THROW(save_tensors(folder / "x", {{"a", at::empty({1}, at::kComplexDouble)}}), Error);
}

}  // namespace
}  // namespace sarsweep::trainer
