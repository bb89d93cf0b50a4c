#include "schema/config/fields.h"

namespace sarsweep::config {}
