#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

// The one table of every field of a run (docs/fields.md is made from it). Parser, validator, JSON,
// hashes, `sarsweep explain` and the trainer read it; adding a field is one row.
namespace sarsweep::config {

// What a change of the field may change: the trained weights (science), what is measured on them
// (judge), or neither (exec).
enum class FieldClass { science, judge, exec };

enum class FieldType {
  boolean,
  integer,
  number,
  text,      // any string
  choice,    // one of `choices`
  path,      // made absolute in run.json; hashed as written
  interval,  // updates, or "2epochs"
  duration,  // "12h", "1h30m" (duration.h)
  size,      // "70GiB" (size.h)
  list,      // of numbers where the default is, or where there are bounds; else of strings
  map,       // string to string
  model,     // a path, or {run: [SWEEP/]NAME, checkpoint: best|last}
  stretch    // none | mean3sigma | sqrt | log | {lo, hi}
};

struct Field {
  std::string_view name = {};  // dotted: "unet.rank"
  FieldType type = FieldType::text;
  nlohmann::json default_value = nullptr;  // null: none; then `default_text` says what happens
  std::string_view default_text =
      {};  // "rank/2", "auto": for people; empty if default_value says it
  FieldClass field_class = FieldClass::science;
  std::vector<std::string> choices =
      {};  // of a choice: all; of an integer or a path: words it may be instead
  std::optional<double> low = {},
                        high = {};  // inclusive bounds of numbers, also of those in a list
  bool low_open = false;            // the lower bound itself is excluded
  std::string_view unit = {};
  bool supported = true;  // false: legal in the language, refused with a sentence by this version
  std::vector<std::string> supported_choices = {};  // values this version honours; empty = all
  std::string_view active_when =
      {};  // a condition (condition.h); outside, the key is dropped; empty = always
  std::string_view help = {};  // one line; says where the default comes from
};

std::span<const Field> fields();                   // in the order of docs/fields.md
std::size_t position(const Field& field);          // in fields(); `field` is a row of it
const Field* find_field(std::string_view dotted);  // nullptr: unknown
std::string nearest_field(
    std::string_view dotted);  // within edit distance 2 of the last part; or empty
int edit_distance(std::string_view a, std::string_view b);
std::string_view to_string(FieldType type);
std::string_view to_string(FieldClass field_class);

// The parts of the dotted name that a group stands for: "text_encoders.rank" -> the same field of
// text_encoder_1 and text_encoder_2; any other name -> itself.
std::vector<std::string> spread(std::string_view dotted);

// Of two fields of which only one may be given, such as train.epochs and train.steps, the other
// one; empty for any other field. Setting one at a higher layer clears the other.
std::string_view rival_of(std::string_view dotted);

// A legal value in its one canonical form: numbers as double, whole numbers as integers, a model
// reference with its checkpoint. Equal meanings become equal JSON.
nlohmann::json canonical_value(const Field& field, const nlohmann::json& value);

// nullopt if `value` is legal for `field`; else a sentence without the field's name, such as
// "must be one of full, lora, frozen (got 'loar')".
std::optional<std::string> check_value(const Field& field, const nlohmann::json& value);

// How to mend a value that check_value refuses: "did you mean 'lora'?", "write 10". Never empty.
std::string value_proposal(const Field& field, const nlohmann::json& value);

// Flat {"unet.lr": …} <-> nested {"unet": {"lr": …}}.
nlohmann::json nest(const nlohmann::json& flat);
nlohmann::json flatten(const nlohmann::json& nested);  // Maps of type map/model/stretch stay whole.

// Fills in every default of a flat config, derived ones (alpha = rank/2, 8 epochs where no length
// is given, vae.mode full and no refinement weights in a vae job) included. Nothing is omitted:
// what has no default is null.
nlohmann::json with_defaults(const nlohmann::json& flat);
// Drops the keys whose `active_when` does not hold. `flat` has its defaults filled in.
nlohmann::json active_only(const nlohmann::json& flat);

// One thing wrong with a complete config.
struct Problem {
  std::string field;       // the field to point at
  std::string code;        // "illegal_combination", "not_supported", …
  std::string message;     // a whole sentence
  std::string suggestion;  // or empty
};

// Illegal combinations of a complete, field by field legal config; empty if it can be run.
std::vector<Problem> combination_problems(const nlohmann::json& flat);

// Throws Error(invalid) naming field, value and cure for the first problem of a complete config: an
// unknown or unsupported field, an illegal value, an illegal combination.
void require_valid(const nlohmann::json& flat);

}  // namespace sarsweep::config
