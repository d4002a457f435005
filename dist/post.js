require("./entry.js")("post");
