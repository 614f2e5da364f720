// Prints the rows of /ip/hotspot/active as JSON: node read-active.js HOST PORT USER PASSWORD
const { RouterOSAPI } = require("node-routeros");

const [host, port, user, password] = process.argv.slice(2);
const router = new RouterOSAPI({ host, port: Number(port), user, password, timeout: 10 });

router
  .connect()
  .then(() => router.write("/ip/hotspot/active/print", ["=.proplist=user,mac-address,address"]))
  .then((rows) => {
    console.log(JSON.stringify(rows));
    return router.close();
  })
  .catch((error) => {
    console.error(String(error));
    process.exitCode = 1;
  });
