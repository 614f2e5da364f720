"""The RADIUS door: who may go online, asked by routers; what was used, told by routers."""
