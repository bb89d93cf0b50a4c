#pragma once

#include <vector>

#include "schema/config/fields.h"

// The rows of the table, one function a group of groups; fields() joins them in this order.
namespace sarsweep::config {

std::vector<Field> source_rows();    // job, model, data, prompt, token
std::vector<Field> network_rows();   // unet, text_encoder_1, text_encoder_2, vae
std::vector<Field> training_rows();  // train, clip, compat, checkpoint
std::vector<Field> judging_rows();   // samples, eval, export, resources

}  // namespace sarsweep::config
