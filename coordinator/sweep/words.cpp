#include "coordinator/sweep/words.h"

#include <array>

namespace sarsweep::sweep {
namespace {

constexpr std::array<std::string_view, 256> kFirst = {
    "acorn",   "alder",   "amber",    "anchor",  "apple",    "apricot",  "arrow",   "aspen",
    "aster",   "atlas",   "badger",   "bamboo",  "banjo",    "barley",   "basil",   "beach",
    "beacon",  "bear",    "beaver",   "beech",   "bell",     "birch",    "bison",   "bloom",
    "blossom", "bluff",   "boulder",  "branch",  "breeze",   "brook",    "bubble",  "buffalo",
    "button",  "cabin",   "cactus",   "camel",   "candle",   "canyon",   "carp",    "cedar",
    "chalk",   "cherry",  "chestnut", "cider",   "cinder",   "citrus",   "clay",    "cliff",
    "cloud",   "clover",  "cobalt",   "coral",   "cotton",   "cove",     "crane",   "creek",
    "crest",   "cricket", "crown",    "crystal", "cypress",  "daisy",    "dawn",    "deer",
    "delta",   "dew",     "dingo",    "dolphin", "dove",     "drift",    "drum",    "dune",
    "dusk",    "eagle",   "ember",    "falcon",  "fern",     "ferret",   "field",   "finch",
    "fir",     "fjord",   "flame",    "flint",   "flora",    "flute",    "fog",     "forest",
    "fox",     "frost",   "galaxy",   "garden",  "garnet",   "gecko",    "geyser",  "ginger",
    "glacier", "glade",   "goose",    "gorge",   "granite",  "grape",    "grove",   "gull",
    "harbor",  "hare",    "harp",     "hawk",    "hazel",    "heart",    "hedge",   "heron",
    "hickory", "hill",    "honey",    "horizon", "ibex",     "iris",     "island",  "ivory",
    "ivy",     "jade",    "jasmine",  "jasper",  "juniper",  "kayak",    "kelp",    "kestrel",
    "kite",    "koala",   "lagoon",   "lake",    "lantern",  "larch",    "lark",    "laurel",
    "lava",    "leaf",    "lemon",    "lichen",  "lilac",    "lily",     "linden",  "linen",
    "lion",    "lotus",   "lynx",     "magnet",  "mango",    "maple",    "marble",  "marsh",
    "marten",  "meadow",  "melon",    "mesa",    "mimosa",   "mint",     "mirror",  "mist",
    "moon",    "moose",   "moss",     "moth",    "mountain", "mulberry", "nectar",  "needle",
    "nest",    "nickel",  "nutmeg",   "oak",     "oasis",    "ocean",    "olive",   "onyx",
    "opal",    "orange",  "orchid",   "oriole",  "osprey",   "otter",    "owl",     "oyster",
    "palm",    "panda",   "pansy",    "papaya",  "parrot",   "pearl",    "pebble",  "pecan",
    "pelican", "pepper",  "petal",    "pigeon",  "pine",     "plain",    "planet",  "plum",
    "pond",    "poplar",  "poppy",    "prairie", "prism",    "puffin",   "quail",   "quartz",
    "quince",  "rabbit",  "raven",    "reed",    "reef",     "ridge",    "river",   "robin",
    "rocket",  "saffron", "sage",     "salmon",  "sand",     "sapphire", "seal",    "shell",
    "shore",   "silver",  "sky",      "slate",   "smile",    "snow",     "sparrow", "spring",
    "spruce",  "star",    "stone",    "stork",   "stream",   "summit",   "sunset",  "swan",
    "thistle", "thyme",   "tide",     "tiger",   "topaz",    "trail",    "trout",   "tulip",
    "tundra",  "valley",  "violet",   "walnut",  "water",    "wave",     "whale",   "willow"};

constexpr std::array<std::string_view, 256> kSecond = {
    "april",   "arch",  "ash",    "autumn", "bag",    "bark",   "barn",   "bay",    "bean",
    "bell",    "belt",  "bench",  "black",  "bloom",  "blue",   "boat",   "book",   "boot",
    "bowl",    "box",   "brass",  "bread",  "brick",  "bridge", "bright", "brisk",  "broad",
    "bronze",  "brook", "broth",  "brown",  "bud",    "cake",   "calm",   "camp",   "cape",
    "cart",    "case",  "chest",  "chord",  "clay",   "clear",  "clock",  "cloud",  "coat",
    "comet",   "cool",  "copper", "cord",   "corn",   "court",  "cove",   "cream",  "creek",
    "crest",   "cup",   "cyan",   "dale",   "dark",   "date",   "dawn",   "day",    "deck",
    "deep",    "dew",   "dome",   "dream",  "drum",   "dune",   "dusk",   "east",   "elm",
    "evening", "falls", "farm",   "felt",   "fern",   "field",  "fig",    "fir",    "flute",
    "fog",     "ford",  "fork",   "fort",   "fresh",  "frost",  "gale",   "gate",   "gem",
    "glass",   "glen",  "glove",  "gold",   "grain",  "gray",   "green",  "hail",   "hall",
    "harp",    "hat",   "hearth", "heath",  "helm",   "high",   "hill",   "home",   "hope",
    "horn",    "house", "ice",    "ink",    "inn",    "iron",   "isle",   "jar",    "joy",
    "july",    "june",  "keep",   "knife",  "knot",   "lace",   "lake",   "lamp",   "land",
    "lane",    "leaf",  "light",  "lime",   "lodge",  "long",   "loom",   "marsh",  "mast",
    "mild",    "milk",  "mill",   "mist",   "mont",   "month",  "moon",   "moor",   "morning",
    "moss",    "myth",  "night",  "noon",   "north",  "note",   "nut",    "oak",    "oar",
    "oat",     "orbit", "page",   "pale",   "pan",    "park",   "path",   "pea",    "peak",
    "pear",    "petal", "pie",    "pin",    "pine",   "pink",   "plain",  "plate",  "pond",
    "port",    "pot",   "quiet",  "quill",  "raft",   "rain",   "red",    "reed",   "reef",
    "ridge",   "ring",  "river",  "road",   "rock",   "root",   "rope",   "rose",   "round",
    "rust",    "rye",   "sack",   "sail",   "salt",   "sand",   "sauce",  "scarf",  "seed",
    "shelf",   "ship",  "shoe",   "side",   "silk",   "sky",    "slate",  "sled",   "smooth",
    "soft",    "song",  "soup",   "south",  "spice",  "spire",  "spoon",  "spring", "square",
    "star",    "steel", "stem",   "stew",   "still",  "stone",  "storm",  "sugar",  "summer",
    "sun",     "swift", "table",  "tale",   "tea",    "teal",   "thorn",  "tile",   "tin",
    "tower",   "tune",  "vale",   "verse",  "wagon",  "wall",   "warm",   "week",   "west",
    "wheat",   "white", "wide",   "wind",   "winter", "wish",   "wood",   "wool",   "yard",
    "yarn",    "year",  "yew",    "zinc"};

}  // namespace

std::span<const std::string_view> first_words() { return kFirst; }
std::span<const std::string_view> second_words() { return kSecond; }

}  // namespace sarsweep::sweep
