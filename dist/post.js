require("./main.js")("post");
