require("./entry.js")("main");
