require("./entry.js")("agent");
